#pragma once
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/monitor/alert_bands.hpp"
#include "pipeline/monitor/alerts.hpp"

namespace logitfield {

/// A statistic whose logarithm is held against bands.
struct Rule {
  std::string_view statistic;
  /// What leaving the band of the head's history is, and leaving that of the other heads.
  AlertKind of_history, of_peers;
  bool of_kv_head, both_sides;
  /// One-sided: a fall of the logarithm by less is no collapse.
  double least_fall = 0;
};

/// Judges one statistic of single heads, by what is known up to a step. Definitions: docs/monitor.md.
class HeadJudge {
 public:
  HeadJudge(const HeadSeries& series, std::size_t last_step, const Rule& rule, const Thresholds& thresholds);

  /// Those that the statistic belongs to: all, or the first of each KV head.
  const std::vector<std::size_t>& heads() const { return heads_; }
  /// The band that is crossed by a departure that is told at the last step: of the head's own history; of what the head
  /// would be, had it changed since its beginning as the others have; and around what chance gives.
  std::optional<Band> leaves_history(std::size_t head) { return told(head, &HeadJudge::history); }
  std::optional<Band> leaves_peers(std::size_t head);
  std::optional<Band> leaves_chance(std::size_t head) { return told(head, &HeadJudge::chance); }

 private:
  /// The known values of a head, oldest first.
  struct Known {
    std::vector<double> logs;
    std::vector<std::size_t> steps;
  };
  /// The band of the last of a head's first `count` known values; nothing where it cannot be judged.
  using BandOf = std::optional<Band> (HeadJudge::*)(std::size_t head, std::size_t count);
  std::optional<Band> history(std::size_t head, std::size_t count);
  std::optional<Band> peers(std::size_t head, std::size_t count);
  std::optional<Band> chance(std::size_t head, std::size_t count);
  /// The band that is left by a departure which ends at the head's last value, that of the last step, and ended at none
  /// of the values shortly before. Each value is held against the band of its own time.
  std::optional<Band> told(std::size_t head, BandOf band_of);
  /// Does a departure begin to be there at the last of a head's first `count` values? `now`: of values too early to
  /// judge.
  bool begins_at(std::size_t head, std::size_t count, BandOf band_of, const Band& now);

  /// Values that a departure may lie in; and what is known of the head before the last `confirm`, where all of it may.
  std::size_t block() const { return static_cast<std::size_t>(2 * t_.confirm - 1); }
  std::span<const double> past(std::size_t head, std::size_t count) const;
  double beginning(std::size_t head) const;
  bool is_outside(double log, const Band& band) const;
  double least_width() const;

  /// Over the heads that have a past at a step: the middle ones of their noises over half a window, and of its powers;
  /// and their changes since their beginnings.
  struct Noise {
    double sd = 0, power = 0.5;
  };
  const Noise& noise_at(std::size_t step);
  /// What their pasts are like that noise is taken from.
  OwnNoise own_noise(std::span<const double> past) const;
  double half_window() const { return static_cast<double>(t_.window) / 2; }
  struct Changes {
    std::size_t count = 0;
    double middle = 0, spread = 0;
  };
  const Changes& changes_at(std::size_t step);
  /// Known values of a head up to a step.
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
