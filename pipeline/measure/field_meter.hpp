#pragma once
#include <set>
#include <vector>

#include "pipeline/measure/head_source.hpp"
#include "pipeline/measure/run_context.hpp"
#include "pipeline/mpi/team.hpp"
#include "pipeline/results/record.hpp"
#include "pipeline/results/unit_place.hpp"
#include "pipeline/scalapack/process_grid.hpp"

namespace logitfield {

/// Measures the planned fields of the heads of a layer. A rank works alone, or together with the ranks of its stage
/// if the plan divides a head among them.
class FieldMeter {
 public:
  /// `stage`: the ranks of this rank's stage, in the order of their shards; must outlive it. Collective.
  FieldMeter(const RunContext& context, const mpi::Communicator& stage);

  /// Records of this rank's heads, with one field per entry of the plan. Collective over the stage where a field is
  /// collective or heads are verified.
  std::vector<HeadRecord> measure(const UnitPlace& unit, const HeadSource& source) const;

 private:
  /// Holds the results of this rank's KV heads.
  class Sheet;

  void measure_alone(std::int64_t layer, const HeadSource& source, Sheet& sheet) const;
  void measure_shared(std::int64_t layer, const HeadSource& source, Sheet& sheet) const;
  void measure_scalapack(std::int64_t layer, const HeadSource& source, Sheet& sheet) const;
  void verify(const UnitPlace& unit, const HeadSource& source, Sheet& sheet) const;

  Slice own_kv_heads() const { return kv_heads_[stage_.rank()]; }
  int owner_of(std::int64_t kv_head) const;
  /// Sends the first `length` rows of a KV head from its owner to all ranks of the stage.
  GroupRows spread(const HeadSource& source, std::int64_t kv_head, std::int64_t length) const;
  std::vector<kernels::LogitForm> forms_of(std::int64_t layer, Slice kv_heads) const;
  kernels::RouteResult decompose(const GroupRows& rows, const kernels::LogitForm& form, std::int64_t member,
                                 const kernels::FieldRequest& request) const;

  const RunContext& c_;
  const mpi::Communicator& stage_;
  const std::vector<Slice>& kv_heads_;
  mpi::Team team_;
  scalapack::ProcessGrid grid_;
  /// (text, layer, head) drawn for --verify-dense.
  std::set<std::array<std::int64_t, 3>> verified_;
};

}  // namespace logitfield
