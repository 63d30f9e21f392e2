#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "pipeline/job/job.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/run/manifest.hpp"
#include "pipeline/run/open_run.hpp"

namespace logitfield {

/// What came of measuring one model or capture.
struct Measurement {
  /// On rank 0, where it was measured.
  std::optional<OpenRun> run;
  /// 0: it is complete.
  int stopped_by = 0;
  /// On every rank: weights because of which a checkpoint was not measured.
  std::vector<NotFinite> not_finite;
};

/// What is particular to the caller. Both are called on rank 0 only, and may throw InputError.
struct MeasurementRules {
  /// Weights that are not finite are told, not refused.
  bool tells_not_finite = false;
  /// Before anything is measured.
  std::function<void(const nlohmann::json& manifest)> admit = [](const nlohmann::json&) {};
};

/// The manifest that measuring would begin with, but for the input's hash and the hosts: nothing is read but headers.
/// Collective; throws mpi::AgreedError.
nlohmann::json planned_manifest(const Options& options, const mpi::Communicator& world);

/// Measures the model or capture of `options` into the run folder options.out: its journal is complete, or the run was
/// stopped by a signal. Throws mpi::AgreedError for what all ranks know of. Collective.
Measurement measure(const Options& options, const mpi::Communicator& world, const MeasurementRules& rules = {});

}  // namespace logitfield
