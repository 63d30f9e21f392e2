#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/results/results.hpp"

namespace logitfield {

/// One run of a scaling study: its work, its number of ranks and its time.
struct ScalingPoint {
  std::string run, cluster, grid;
  /// What the run measured, under names for people. Times are compared only between runs with equal entries.
  std::map<std::string, nlohmann::json> work;
  std::int64_t ranks = 0, hosts = 0;
  double flops = 0, wall_seconds = 0;
  /// Seconds by phase (kPhaseNames): mean over the ranks.
  std::vector<double> seconds;
  /// Outside all phases: mean over the ranks.
  double other_seconds = 0;
  /// The busiest rank's time for reading and computing, divided by the mean.
  double imbalance = 1;
  /// Relative to the run of the same cluster on the fewest ranks: the ratio of flops per second, and this ratio divided
  /// by the ratio of ranks. For fixed work this is strong scaling; for work that grows with the ranks, weak scaling.
  double speedup = 1, efficiency = 1;
};

/// Throws InputError for a run that is incomplete or took several sessions, whose time is not meaningful.
ScalingPoint scaling_point(const std::filesystem::path& run, const Results& results);

/// Sorts by cluster, then ranks, and fills in speed-up and efficiency. Throws InputError for runs that did not measure
/// the same: another model, other texts (a text may be there several times, for weak scaling) or other settings.
void relate(std::vector<ScalingPoint>& points);

/// A table of at most 100 columns; all numbers as CSV; a picture of speed-up and phases (SVG).
std::string scaling_table(const std::vector<ScalingPoint>& points);
void write_scaling_csv(const std::vector<ScalingPoint>& points, const std::filesystem::path& path);
std::string scaling_picture(const std::vector<ScalingPoint>& points);

}  // namespace logitfield
