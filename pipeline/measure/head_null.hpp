#pragma once
#include <memory>
#include <vector>

#include "pipeline/measure/field_meter.hpp"

namespace logitfield {

/// Measures what draws from each head give (--head-null), as the heads themselves are measured.
class HeadNull {
 public:
  /// `stage`: as of FieldMeter; both must outlive it. Collective.
  HeadNull(const RunContext& context, const mpi::Communicator& stage);
  ~HeadNull();

  /// Sets HeadRecord::nulls of this rank's heads, whose rows are in `source`; nothing where none are asked for. The
  /// same numbers on any ranks. Collective as FieldMeter::measure is.
  void measure(std::int64_t text, std::int64_t layer, const HeadSource& source, std::vector<HeadRecord>& heads) const;

 private:
  /// The fields of one context: a draw is of as many rows.
  struct Context;

  const RunContext& c_;
  std::vector<std::unique_ptr<Context>> contexts_;
};

}  // namespace logitfield
