#pragma once
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/monitor/alert_bands.hpp"
#include "pipeline/monitor/alerts.hpp"

namespace logitfield {

/// A statistic whose logarithm is compared with bands.
struct Rule {
  std::string_view statistic;
  /// The alerts for leaving the band of the head's own history and the band of the other heads.
  AlertKind of_history, of_peers;
  bool of_kv_head, both_sides;
  /// For one-sided rules: a smaller fall of the logarithm does not count as a collapse.
  double least_fall = 0;
};

/// Judges one statistic of single heads, from the steps up to a given one. Definitions: docs/monitor.md.
class HeadJudge {
 public:
  HeadJudge(const HeadSeries& series, std::size_t last_step, const Rule& rule, const Thresholds& thresholds);

  /// The heads that the statistic belongs to: all, or the first of each KV head.
  const std::vector<std::size_t>& heads() const { return heads_; }
  /// The band that the head has left, if a departure is reported at the last step. There are three bands: around the
  /// head's own history; around the value expected if the head had changed like the others since its beginning; and
  /// around the value of Gaussian heads.
  std::optional<Band> leaves_history(std::size_t head) { return told(head, &HeadJudge::history); }
  std::optional<Band> leaves_peers(std::size_t head);
  std::optional<Band> leaves_chance(std::size_t head) { return told(head, &HeadJudge::chance); }

 private:
  /// The known values of a head, oldest first.
  struct Known {
    std::vector<double> logs;
    std::vector<std::size_t> steps;
  };
  /// The band for the last of a head's first `count` known values; empty if it cannot be judged.
  using BandOf = std::optional<Band> (HeadJudge::*)(std::size_t head, std::size_t count);
  std::optional<Band> history(std::size_t head, std::size_t count);
  std::optional<Band> peers(std::size_t head, std::size_t count);
  std::optional<Band> chance(std::size_t head, std::size_t count);
  /// The band left by a departure that is established at the head's value of the last step and was not established
  /// shortly before. Each value is compared with the band of its own time.
  std::optional<Band> told(std::size_t head, BandOf band_of);
  /// Whether a departure begins at the last of a head's first `count` values. `now` stands in for the band of values
  /// that are too early to judge.
  bool begins_at(std::size_t head, std::size_t count, BandOf band_of, const Band& now);

  /// `block`: the number of latest values among which a departure is looked for. `past`: the head's values before the
  /// last `confirm`, which are left out because a departure may have begun in them.
  std::size_t block() const { return static_cast<std::size_t>(2 * t_.confirm - 1); }
  std::span<const double> past(std::size_t head, std::size_t count) const;
  double beginning(std::size_t head) const;
  bool is_outside(double log, const Band& band) const;
  double least_width() const;

  /// Both are over the heads that have a past at a step. `noise_at`: the median noise over half a window, and the
  /// median of its growth exponents. `changes_at`: median and spread of the changes since the beginnings.
  struct Noise {
    double sd = 0, power = 0.5;
  };
  const Noise& noise_at(std::size_t step);
  /// The noise of a head, from the latest part of its past.
  OwnNoise own_noise(std::span<const double> past) const;
  double half_window() const { return static_cast<double>(t_.window) / 2; }
  struct Changes {
    std::size_t count = 0;
    double middle = 0, spread = 0;
  };
  const Changes& changes_at(std::size_t step);
  /// Number of known values of a head up to a step.
  std::size_t count_at(std::size_t head, std::size_t step) const;

  const HeadSeries& series_;
  const std::size_t last_;
  const Rule& rule_;
  const Thresholds& t_;
  std::vector<std::size_t> heads_;
  std::vector<Known> known_;
  std::map<std::size_t, Noise> noises_;
  std::map<std::size_t, Changes> changes_;
};

}  // namespace logitfield
