#pragma once
#include <memory>
#include <vector>

#include "pipeline/measure/field_meter.hpp"

namespace logitfield {

/// Measures draws from each head (--head-null) in the same way as the heads themselves.
class HeadNull {
 public:
  /// `stage`: as for FieldMeter; both arguments must outlive it. Collective.
  HeadNull(const RunContext& context, const mpi::Communicator& stage);
  ~HeadNull();

  /// Sets HeadRecord::nulls for this rank's heads, whose rows come from `source`; does nothing without --head-null. The
  /// numbers do not depend on the number of ranks. Collective as FieldMeter::measure is.
  void measure(const UnitPlace& unit, const HeadSource& source, std::vector<HeadRecord>& heads) const;

 private:
  /// The fields of one context, whose length is the number of rows of each draw.
  struct Context;

  const RunContext& c_;
  std::vector<std::unique_ptr<Context>> contexts_;
};

}  // namespace logitfield
