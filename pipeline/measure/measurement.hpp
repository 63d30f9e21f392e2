#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "pipeline/forward/not_finite.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/run/manifest.hpp"
#include "pipeline/run/open_run.hpp"

namespace logitfield {

/// The outcome of measuring one model or capture.
struct Measurement {
  /// On rank 0: the run, if it was measured.
  std::optional<OpenRun> run;
  /// The signal that stopped the run; 0: it is complete.
  int stopped_by = 0;
  /// On every rank: the weights that are not finite; if there are any, nothing was measured.
  std::vector<NotFinite> not_finite;
};

/// Rules of the calling command. Functions are called on rank 0 only, and may throw InputError.
struct MeasurementRules {
  /// Whether weights that are not finite are reported instead of refused.
  bool tells_not_finite = false;
  /// Called before anything is measured.
  std::function<void(const nlohmann::json& manifest)> admit = [](const nlohmann::json&) {};
};

/// The manifest of a measurement that would start now, without the input's hash and the hosts. Reads headers only.
/// Collective; throws mpi::AgreedError.
nlohmann::json planned_manifest(const Options& options, const mpi::Communicator& world);

/// Measures the model or capture of `options` into the run folder options.out. Afterwards the journal is complete, or a
/// signal stopped the run. Throws mpi::AgreedError for failures that all ranks know of. Collective.
Measurement measure(const Options& options, const mpi::Communicator& world, const MeasurementRules& rules = {});

}  // namespace logitfield
