#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/results/results.hpp"

namespace logitfield {

/// One run of a scaling study: how much work it did, on how many ranks, in what time.
struct ScalingPoint {
  std::string run, cluster, grid;
  std::int64_t ranks = 0, hosts = 0;
  double flops = 0, wall_seconds = 0;
  /// By phase (kPhaseNames): mean over the ranks.
  std::vector<double> seconds;
  /// Busiest rank over the mean, of the time spent reading and computing.
  double imbalance = 1;
  /// Against the run of the same cluster on the fewest ranks: flops a second, and that over the ranks' ratio. For fixed
  /// work the speed-up of strong scaling; for work that grows with the ranks, that of weak scaling.
  double speedup = 1, efficiency = 1;
};

/// Throws InputError for a run that is not complete or took several sessions: its time tells nothing.
ScalingPoint scaling_point(const std::filesystem::path& run, const Results& results);

/// Fills in speed-up and efficiency; by cluster, then ranks.
void relate(std::vector<ScalingPoint>& points);

/// A table of at most 100 columns; all numbers as CSV; and the speed-up and the phases as a picture (SVG).
std::string scaling_table(const std::vector<ScalingPoint>& points);
void write_scaling_csv(const std::vector<ScalingPoint>& points, const std::filesystem::path& path);
std::string scaling_picture(const std::vector<ScalingPoint>& points);

}  // namespace logitfield
