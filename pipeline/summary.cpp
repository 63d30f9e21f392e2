#include "pipeline/summary.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "pipeline/schema.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

/// Linear between the order statistics of ascending values.
double quantile(const std::vector<double>& ascending, double fraction) {
  const double place = fraction * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  return ascending[below] + (place - static_cast<double>(below)) * (ascending[above] - ascending[below]);
}

json to_json(const Distribution& d) {
  json out{{"count", d.count}};
  if (d.count == 0) return out;
  out.update({{"mean", d.mean},
              {"sd", d.sd},
              {"min", d.min},
              {"p05", d.p05},
              {"p25", d.p25},
              {"median", d.median},
              {"p75", d.p75},
              {"p95", d.p95},
              {"max", d.max}});
  return out;
}

/// Values of every statistic over some heads.
class Collection {
 public:
  explicit Collection(std::int64_t group_size) : group_size_(group_size) {}

  void add(const HeadRecord& head, const kernels::HeadStatistics& s) {
    ++heads_;
    if (!s.certificate.certified()) return;
    ++certified_;
    const bool first_of_group = head.head % group_size_ == 0;
    visit_statistics(s, [&](const StatisticInfo& info, const auto& value) {
      if (info.kind == Kind::certificate || (info.kind == Kind::kv_head && !first_of_group)) return;
      if (is_defined(value)) values_[std::string(info.name)].push_back(static_cast<double>(value));
    });
  }

  json summary() const {
    json statistics = json::object();
    for (const auto& [name, values] : values_) statistics[name] = to_json(distribution(values));
    return {{"heads", heads_},
            {"certified", certified_},
            {"certified_share", static_cast<double>(certified_) / static_cast<double>(heads_)},
            {"statistics", std::move(statistics)}};
  }

 private:
  std::int64_t group_size_, heads_ = 0, certified_ = 0;
  std::map<std::string, std::vector<double>> values_;
};

json summarise_null(const Results& results, std::size_t field) {
  json out = json::object();
  for (const NullRecord& null : results.nulls) {
    if (null.field != static_cast<std::int64_t>(field)) continue;
    out["draws"] = null.draws;
    for (const auto& [name, value] : null.statistics) {
      out["statistics"][name] = {{"mean", value.first}, {"sd", value.second}};
    }
  }
  return out;
}

json summarise_field(const Results& results, std::size_t context, std::size_t scope) {
  const std::size_t field = results.field(context, scope);
  const std::int64_t group = results.num_heads / results.num_kv_heads;
  Collection model(group);
  std::map<std::int64_t, Collection> by_layer;
  for (const auto& [key, layer] : results.layers) {
    Collection& collection = by_layer.try_emplace(layer.layer, group).first->second;
    for (const HeadRecord& head : layer.heads) {
      model.add(head, head.fields[field]);
      collection.add(head, head.fields[field]);
    }
  }
  json layers = json::array();
  for (const auto& [index, collection] : by_layer) {
    json entry = collection.summary();
    entry["layer"] = index;
    layers.push_back(std::move(entry));
  }
  json out{{"scope", results.scopes[scope]},
           {"context", results.contexts[context]},
           {"model", model.summary()},
           {"layers", std::move(layers)}};
  if (json null = summarise_null(results, field); !null.empty()) out["null"] = std::move(null);
  return out;
}

json summarise_ranks(const Results& results) {
  json out = json::array();
  for (const RankRecord& r : results.ranks) {
    json seconds = json::object();
    for (const auto& [phase, value] : r.seconds) seconds[phase] = value;
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

Distribution distribution(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  Distribution out;
  out.count = std::ssize(values);
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  const double n = static_cast<double>(values.size());
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  for (const double v : values) out.sd += (v - out.mean) * (v - out.mean) / n;
  out.sd = std::sqrt(out.sd);
  out.min = values.front();
  out.p05 = quantile(values, 0.05);
  out.p25 = quantile(values, 0.25);
  out.median = quantile(values, 0.50);
  out.p75 = quantile(values, 0.75);
  out.p95 = quantile(values, 0.95);
  out.max = values.back();
  return out;
}

double median(std::vector<double> values) {
  const Distribution d = distribution(std::move(values));
  return d.count > 0 ? d.median : kernels::kUndefined;
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
