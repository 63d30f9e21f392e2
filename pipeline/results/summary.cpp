#include "pipeline/results/summary.hpp"

#include <cmath>
#include <map>
#include <numeric>

#include "pipeline/job/windows.hpp"
#include "pipeline/results/counted_readings.hpp"
#include "pipeline/results/field_readings.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

json to_json(const Distribution& d) {
  json out{{"count", d.count}};
  if (d.censored > 0) out["censored"] = d.censored;
  if (!std::isnan(d.mean)) out.update({{"mean", d.mean}, {"sd", d.sd}});
  const std::pair<const char*, Reading> quantiles[] = {{"min", d.min},       {"p05", d.p05}, {"p25", d.p25},
                                                       {"median", d.median}, {"p75", d.p75}, {"p95", d.p95},
                                                       {"max", d.max}};
  for (const auto& [name, reading] : quantiles) put(out, name, reading);
  return out;
}

/// Readings of every statistic over some heads.
class Collection {
 public:
  void add(const LayerRecord& layer, std::size_t field) {
    for (const HeadRecord& head : layer.heads) {
      const kernels::Certificate& certificate = head.fields[field].certificate;
      ++heads_;
      certified_ += certificate.certified();
      for (const kernels::CertificateCheck& check : certificate.checks()) {
        if (!check.holds) ++failed_checks_[std::string(check.name)];
      }
    }
    visit_counted_readings(layer, field, [&](const StatisticInfo& info, const Reading& reading, const HeadRecord&) {
      if (reading.is_defined()) readings_[std::string(info.name)].push_back(reading);
    });
  }

  json summary() const {
    json statistics = json::object();
    for (const auto& [name, readings] : readings_) statistics[name] = to_json(distribution(readings));
    json out{{"heads", heads_},
             {"certified", certified_},
             {"certified_share", static_cast<double>(certified_) / static_cast<double>(heads_)},
             {"statistics", std::move(statistics)}};
    if (!failed_checks_.empty()) out["failed_checks"] = failed_checks_;
    return out;
  }

 private:
  std::int64_t heads_ = 0, certified_ = 0;
  std::map<std::string, std::int64_t> failed_checks_;
  std::map<std::string, std::vector<Reading>> readings_;
};

json to_json(const BeyondChance& beyond) {
  return {{"heads", beyond.heads}, {"beyond", beyond.beyond}, {"share", beyond.share()}};
}

json summarise_null(const Results& results, std::size_t field) {
  json out = json::object();
  const NullDraws* null = results.null_of(field);
  if (!null) return out;
  out["draws"] = null->draws;
  out["failed"] = null->failed;
  out["false_discovery_rate"] = kFalseDiscoveryRate;
  for (const auto& [name, statistic] : null->statistics) {
    json& entry = out["statistics"][name] = json::object();
    put(entry, "mean", statistic.mean());
    if (!std::isnan(statistic.sd())) entry["sd"] = statistic.sd();
  }
  for (const auto& [name, statistic] : field_readings(results, field)) {
    const BeyondChance beyond = beyond_gaussian_heads(results, field, statistic);
    if (beyond.heads > 0) out["beyond_chance"][name] = to_json(beyond);
  }
  return out;
}

/// Means over each head's own draws, as a distribution over heads.
json summarise_head_nulls(const Results& results, std::size_t field) {
  std::int64_t draws = 0, failed = 0;
  for (const auto& [key, layer] : results.layers) {
    for (const HeadRecord& head : layer.heads) {
      if (head.nulls.empty()) continue;
      draws += head.nulls[field].draws;
      failed += head.nulls[field].failed;
    }
  }
  if (draws + failed == 0) return json::object();
  json out{{"draws", draws},
           {"failed", failed},
           {"false_discovery_rate", kFalseDiscoveryRate},
           {"statistics", json::object()}};
  for (const auto& [name, statistic] : field_readings(results, field)) {
    if (!is_testable(statistic.info, Null::own) || statistic.own_means.empty()) continue;
    out["statistics"][name] = to_json(distribution(statistic.own_means));
    const BeyondChance beyond = beyond_chance(statistic.own_p_values);
    if (beyond.heads > 0) out["beyond_chance"][name] = to_json(beyond);
  }
  return out;
}

json summarise_field(const Results& results, std::size_t context, std::size_t scope) {
  const std::size_t field = results.field(context, scope);
  Collection model;
  std::map<std::int64_t, Collection> by_layer;
  for (const auto& [key, layer] : results.layers) {
    model.add(layer, field);
    by_layer[layer.layer].add(layer, field);
  }
  json layers = json::array();
  for (const auto& [index, collection] : by_layer) {
    json entry = collection.summary();
    entry["layer"] = index;
    if (const kernels::Visible visible = results.visible_at(index); visible.hides(results.contexts[context])) {
      entry["keys_seen"] = visible.keys(results.contexts[context]);
    }
    layers.push_back(std::move(entry));
  }
  json out{{"scope", results.scopes[scope]},
           {"context", results.contexts[context]},
           {"windowed_layers", count_windowed(results.visible, results.contexts[context])},
           {"windows", windows_text(results.visible, results.contexts[context])},
           {"model", model.summary()},
           {"layers", std::move(layers)}};
  if (json null = summarise_null(results, field); !null.empty()) out["null"] = std::move(null);
  if (json own = summarise_head_nulls(results, field); !own.empty()) out["head_null"] = std::move(own);
  return out;
}

json summarise_ranks(const Results& results) {
  json out = json::array();
  for (const RankRecord& r : results.ranks) {
    json seconds = json::object();
    for (const auto& [phase, value] : r.seconds) seconds[phase] = value;
    seconds["other"] = r.other_seconds();
    out.push_back({{"session", r.session},
                   {"rank", r.rank},
                   {"host", r.host},
                   {"seconds", std::move(seconds)},
                   {"wall_seconds", r.wall_seconds},
                   {"peak_bytes", r.peak_bytes}});
  }
  return out;
}

json summarise_sessions(const Results& results) {
  json out = json::array();
  for (const SessionRecord& s : results.sessions) {
    out.push_back({{"session", s.session},
                   {"started", s.started},
                   {"grid", s.grid},
                   {"weights", s.weights},
                   {"backend", s.backend},
                   {"hosts", s.hosts},
                   {"cluster", s.cluster},
                   {"job", s.job},
                   {"flops", s.flops}});
  }
  return out;
}

}  // namespace

Distribution distribution(const std::vector<Reading>& readings) {
  Distribution out;
  std::vector<double> known;
  for (const Reading& r : readings) {
    out.count += r.is_defined();
    out.censored += r.is_censored();
    if (r.is_known()) known.push_back(r.value());
  }
  if (out.count == 0) return out;
  if (out.censored == 0) {
    const double n = static_cast<double>(known.size());
    out.mean = std::accumulate(known.begin(), known.end(), 0.0) / n;
    out.sd = 0;
    for (const double v : known) out.sd += (v - out.mean) * (v - out.mean) / n;
    out.sd = std::sqrt(out.sd);
  }
  const auto at = [&](double fraction) { return quantile(readings, fraction); };
  out.min = at(0), out.p05 = at(0.05), out.p25 = at(0.25), out.median = at(0.5);
  out.p75 = at(0.75), out.p95 = at(0.95), out.max = at(1);
  return out;
}

Distribution distribution(const std::vector<double>& values) {
  std::vector<Reading> readings;
  for (const double v : values) readings.push_back(Reading::known(v));
  return distribution(readings);
}

double median(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  return distribution(values).median.value();
}

void put(json& object, const std::string& name, const Reading& reading) {
  if (!reading.is_defined()) return;
  if (reading.is_known()) {
    object[name] = reading.low;
    return;
  }
  if (std::isfinite(reading.low)) object[name + "_more_than"] = reading.low;
  if (std::isfinite(reading.high)) object[name + "_less_than"] = reading.high;
}

Reading get(const json& object, const std::string& name) {
  if (object.contains(name)) return Reading::known(object.at(name).get<double>());
  Reading out{-INFINITY, INFINITY};
  if (object.contains(name + "_more_than")) out.low = object.at(name + "_more_than");
  if (object.contains(name + "_less_than")) out.high = object.at(name + "_less_than");
  return out.is_defined() ? out : Reading{};
}

json summarise(const Results& results) {
  json losses = json::array(), fields = json::array();
  for (const LossRecord& loss : results.losses) {
    losses.push_back({{"text", results.texts.at(loss.text)}, {"loss", loss.loss}, {"predictions", loss.predictions}});
  }
  for (std::size_t s = 0; s < results.scopes.size(); ++s) {
    for (std::size_t c = 0; c < results.contexts.size(); ++c) fields.push_back(summarise_field(results, c, s));
  }
  return {{"program", "logitfield " LOGITFIELD_VERSION},
          {"model", results.manifest.at("model").at("name")},
          {"complete", results.complete()},
          {"failed_heads", results.failed_heads()},
          {"losses", std::move(losses)},
          {"fields", std::move(fields)},
          {"sessions", summarise_sessions(results)},
          {"ranks", summarise_ranks(results)}};
}

}  // namespace logitfield
