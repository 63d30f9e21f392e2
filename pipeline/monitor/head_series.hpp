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

/// What a monitor follows of every head; names as in docs/statistics.md.
inline constexpr std::array<std::string_view, 9> kFollowed{
    "coherence", "key_participation", "k90",        "effective_rank",    "stable_rank",
    "max_logit", "attention_entropy", "sink_first", "key_effective_rank"};
/// Place of a name in kFollowed, or that of "energy" one past them; and what it means.
std::size_t followed(std::string_view statistic);
StatisticInfo info_of(std::string_view statistic);

/// A head that failed its certificate: it has no values at this step.
struct FailedHead {
  std::size_t head = 0;
  /// False: its Q, K or statistics are not finite.
  bool finite = true;
  std::string check;
  double error = 0, bound = 0;
};

/// One checkpoint of a series.
struct StepValues {
  std::int64_t step = 0;
  /// Mean over texts, nats; NaN for captures.
  double loss = 0;
  /// By layer * heads + head, then by kFollowed: medians over texts, NaN where not defined. Empty: not measured.
  std::vector<std::array<double, kFollowed.size()>> heads;
  std::vector<FailedHead> failed;
  /// Why it was not measured.
  std::vector<NotFinite> not_finite = {};
  /// In the places of `heads`: what a value is more than that is NaN because it was not counted to its end; else NaN.
  std::vector<std::array<double, kFollowed.size()>> more_than = {};
  /// Of the field, by head, as heads; only for alerts: it tells a head whose field fades away.
  std::vector<double> energies = {};
  /// The numerical rank of the keys, by head: told beside the series, not judged (rounding keeps it up).
  std::vector<double> key_ranks = {};

  bool measured() const { return !heads.empty(); }
  /// What is known of a statistic (a place in kFollowed), head by head.
  std::vector<Reading> readings(std::size_t statistic) const;
  /// Of a head of a measured step, number s of kFollowed, or the energy where s is one past these; NaN: not known.
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
  /// What Gaussian heads give: mean and standard deviation by statistic; empty without --null.
  std::map<std::string, std::pair<double, double>> chance;

  std::size_t size() const { return static_cast<std::size_t>(num_layers * num_heads); }
  std::int64_t layer_of(std::size_t head) const { return first_layer + static_cast<std::int64_t>(head) / num_heads; }
  std::int64_t head_of(std::size_t head) const { return static_cast<std::int64_t>(head) % num_heads; }
};

/// The values of a complete run, in its last context and first scope.
StepValues step_values(std::int64_t step, const Results& results);
/// Puts a step in its place, in place of an earlier one of the same number; the shape and what chance gives come from
/// the run.
void add_step(const Results& results, StepValues values, HeadSeries& series);
void add_step(StepValues values, HeadSeries& series);

}  // namespace logitfield
