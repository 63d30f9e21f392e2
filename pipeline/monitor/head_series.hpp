#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/forward/not_finite.hpp"
#include "pipeline/results/reading.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// The statistics that a monitor follows for every head; names as in docs/statistics.md.
inline constexpr std::array<std::string_view, 9> kFollowed{
    "coherence", "key_participation", "k90",        "effective_rank",    "stable_rank",
    "max_logit", "attention_entropy", "sink_first", "key_effective_rank"};
/// `followed`: place of a name in kFollowed; "energy" is one past the last. `info_of`: the schema entry of the name.
std::size_t followed(std::string_view statistic);
StatisticInfo info_of(std::string_view statistic);

/// A head that failed its certificate: it has no values at this step.
struct FailedHead {
  std::size_t head = 0;
  /// False if its Q, K or statistics are not finite.
  bool finite = true;
  std::string check;
  double error = 0, bound = 0;
};

/// One checkpoint of a series.
struct StepValues {
  std::int64_t step = 0;
  /// Mean over texts, nats; NaN for captures.
  double loss = 0;
  /// Indexed by layer * heads + head, then as kFollowed: medians over texts, NaN if not defined. Empty if not
  /// measured.
  std::vector<std::array<double, kFollowed.size()>> heads;
  std::vector<FailedHead> failed;
  /// The weights that kept the step from being measured; empty if it was measured.
  std::vector<NotFinite> not_finite = {};
  /// Indexed as `heads`: the bound that a censored value is known to exceed (its entry in `heads` is NaN); else NaN.
  std::vector<std::array<double, kFollowed.size()>> more_than = {};
  /// Energy of the field, by head as in `heads`. Used only for alerts, which find heads whose field vanishes.
  std::vector<double> energies = {};
  /// Numerical rank of the keys, by head. Listed with the series but not judged, since rounding keeps it high.
  std::vector<double> key_ranks = {};

  bool measured() const { return !heads.empty(); }
  /// The readings of a statistic (a place in kFollowed), head by head.
  std::vector<Reading> readings(std::size_t statistic) const;
  /// Statistic number s in kFollowed of a head, or its energy where s is one past the last; NaN if unknown. The step
  /// must be measured.
  double value(std::size_t head, std::size_t s) const {
    if (s < kFollowed.size()) return heads[head][s];
    return energies.empty() ? kernels::kUndefined : energies[head];
  }
};

/// One model over training, in one context and scope.
struct HeadSeries {
  std::int64_t first_layer = 0, num_layers = 0, num_heads = 0, num_kv_heads = 0;
  /// Ascending.
  std::vector<StepValues> steps;
  /// Mean and standard deviation of Gaussian heads, by statistic; empty without --null.
  std::map<std::string, std::pair<double, double>> chance;

  std::size_t size() const { return static_cast<std::size_t>(num_layers * num_heads); }
  std::int64_t layer_of(std::size_t head) const { return first_layer + static_cast<std::int64_t>(head) / num_heads; }
  std::int64_t head_of(std::size_t head) const { return static_cast<std::int64_t>(head) % num_heads; }
};

/// The values of a complete run, in its last context and first scope.
StepValues step_values(std::int64_t step, const Results& results);
/// Inserts a step in order; an earlier one of the same number is replaced. Shape and Gaussian null come from the run.
void add_step(const Results& results, StepValues values, HeadSeries& series);
void add_step(StepValues values, HeadSeries& series);

}  // namespace logitfield
