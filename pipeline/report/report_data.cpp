#include "pipeline/report/report_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "pipeline/job/windows.hpp"
#include "pipeline/report/packed_values.hpp"
#include "pipeline/results/chance.hpp"
#include "pipeline/results/head_values.hpp"

namespace logitfield {
namespace {

using kernels::HeadStatistics;
using nlohmann::json;

/// Largest number of heads with spectra and profiles, over all fields.
constexpr std::size_t kMostDetails = 600;
constexpr std::size_t kShownFailures = 200;

std::string key_of(const std::string& scope, std::int64_t context) { return fmt::format("{}/{}", scope, context); }

class Data {
 public:
  explicit Data(const Results& results)
      : r_(results),
        heads_(static_cast<std::size_t>(results.num_layers * results.num_heads)),
        shown_(shown_statistics()) {
    choose_contexts();
  }

  json values() const {
    json out = json::object();
    for (const std::size_t c : contexts_) {
      for (std::size_t s = 0; s < r_.scopes.size(); ++s) {
        const std::string field = key_of(r_.scopes[s], r_.contexts[c]) + "/";
        std::vector<HeadValues> by_text;
        for (std::size_t t = 0; t < r_.texts.size(); ++t) by_text.push_back(head_values(r_, t, r_.field(c, s)));
        out[field] = packed(medians_over_texts(by_text));
        for (std::size_t t = 0; holds_texts_ && t < by_text.size(); ++t)
          out[field + std::to_string(t)] = packed(by_text[t]);
      }
    }
    return out;
  }

  /// Details of the first text: of every head if there are few; else only of the most extreme heads by each statistic,
  /// in the longest context.
  json details() const {
    json out = json::object();
    const bool all = heads_ * contexts_.size() * r_.scopes.size() <= kMostDetails;
    for (const std::size_t c : contexts_) {
      if (!all && c + 1 != r_.contexts.size()) continue;
      for (std::size_t s = 0; s < r_.scopes.size(); ++s) {
        const std::size_t field = r_.field(c, s);
        const std::set<std::size_t> chosen = all ? std::set<std::size_t>{} : extremes(field);
        json& entry = out[key_of(r_.scopes[s], r_.contexts[c])] = json::object();
        for_each_head(r_, 0, field, [&](std::size_t index, const HeadStatistics& h) {
          if (!all && !chosen.contains(index)) return;
          const std::string place = fmt::format("{}/{}", index / heads_per_layer(), index % heads_per_layer());
          entry[place] = {{"sigma", floats(h.singular_values)}, {"profile", floats(h.key_profile)},
                          {"energy", h.spectrum.energy},        {"rankBound", h.rank_bound},
                          {"firstShare", h.keys.first_share},   {"certified", h.certificate.certified()}};
        });
      }
    }
    return out;
  }

  json certificates() const {
    std::int64_t total = 0, certified = 0, failed_checks = 0;
    json failures = json::array();
    std::map<std::string, std::pair<double, json>> worst;
    for (std::size_t c = 0; c < r_.contexts.size(); ++c) {
      for (std::size_t s = 0; s < r_.scopes.size(); ++s) {
        for (std::size_t t = 0; t < r_.texts.size(); ++t) {
          for_each_head(r_, t, r_.field(c, s), [&](std::size_t index, const HeadStatistics& h) {
            ++total;
            certified += h.certificate.certified();
            for (const kernels::CertificateCheck& check : h.certificate.checks()) {
              const json entry{{"check", check.name},
                               {"text", t},
                               {"scope", r_.scopes[s]},
                               {"context", r_.contexts[c]},
                               {"layer", index / heads_per_layer()},
                               {"head", index % heads_per_layer()},
                               {"error", check.error},
                               {"bound", check.bound}};
              failed_checks += !check.holds;
              if (!check.holds && failures.size() < kShownFailures) failures.push_back(entry);
              const double closeness = check.bound > 0 ? check.error / check.bound : check.error;
              auto& [closest, where] = worst.try_emplace(std::string(check.name), -1, nullptr).first->second;
              if (check.holds && closeness > closest) closest = closeness, where = entry;
            }
          });
        }
      }
    }
    json closest = json::array();
    for (const auto& [name, entry] : worst) {
      if (!entry.second.is_null()) closest.push_back(entry.second);
    }
    return {{"total", total},
            {"certified", certified},
            {"failedChecks", failed_checks},
            {"failures", std::move(failures)},
            {"worst", std::move(closest)}};
  }

  json nulls() const {
    json out = json::object();
    for (const NullRecord& null : r_.nulls) {
      const auto [context, scope] = r_.place_of(static_cast<std::size_t>(null.field));
      json& entry = out[key_of(r_.scopes[scope], r_.contexts[context])];
      for (const auto& [name, statistic] : null.of.statistics) {
        const Reading mean = statistic.mean();
        if (is_testable(name, Null::gaussian) && mean.is_known()) entry[name] = {mean.value(), statistic.sd()};
      }
    }
    return out;
  }

  json statistics() const {
    json out = json::array();
    for (const StatisticInfo& info : shown_) {
      out.push_back({{"name", info.name},
                     {"units", info.units},
                     {"description", info.description},
                     {"ofKvHead", info.kind == Kind::kv_head}});
    }
    return out;
  }

  json contexts() const {
    json out = json::array();
    for (const std::size_t c : contexts_) out.push_back(std::to_string(r_.contexts[c]));
    return out;
  }
  bool holds_texts() const { return holds_texts_; }

 private:
  std::size_t heads_per_layer() const { return static_cast<std::size_t>(r_.num_heads); }

  json packed(const HeadValues& values) const {
    json out = json::object();
    for (std::size_t s = 0; s < shown_.size(); ++s) out[std::string(shown_[s].name)] = pack(values[s]);
    return out;
  }

  std::set<std::size_t> extremes(std::size_t field) const {
    constexpr std::size_t kEach = 5;
    std::set<std::size_t> out;
    for (const std::vector<Reading>& values : head_values(r_, 0, field)) {
      std::vector<std::size_t> order;
      for (std::size_t h = 0; h < heads_; ++h) {
        if (values[h].is_defined()) order.push_back(h);
      }
      std::ranges::sort(order, {}, [&](std::size_t h) { return values[h].place(); });
      for (std::size_t i = 0; i < std::min(kEach, order.size()); ++i)
        out.insert({order[i], order[order.size() - 1 - i]});
    }
    return out;
  }

  /// Chooses as many contexts as fit: the shortest, the longest, and others between them in equal steps.
  void choose_contexts() {
    const double field = 2.0 * static_cast<double>(heads_ * shown_.size());
    const double fields = kMostPackedBytes / field / static_cast<double>(r_.scopes.size());
    const std::size_t all = r_.contexts.size();
    const std::size_t held =
        std::clamp<std::size_t>(static_cast<std::size_t>(fields), std::min<std::size_t>(all, 2), all);
    holds_texts_ = r_.texts.size() > 1 && static_cast<double>(all * (1 + r_.texts.size())) <= fields;
    for (std::size_t i = 0; i < held; ++i) contexts_.push_back(held == 1 ? all - 1 : i * (all - 1) / (held - 1));
  }

  const Results& r_;
  const std::size_t heads_;
  const std::vector<StatisticInfo> shown_;
  /// Indices into the results' contexts.
  std::vector<std::size_t> contexts_;
  bool holds_texts_ = false;
};

/// Number of keys that a query sees, by measured layer; 0: all.
json keys_seen(const Results& r) {
  json out = json::array();
  for (std::int64_t l = 0; l < r.num_layers; ++l) {
    const kernels::Visible visible = r.visible_at(r.first_layer + l);
    out.push_back(visible == kernels::Visible{} ? 0 : visible.keys(std::numeric_limits<std::int64_t>::max()));
  }
  return out;
}

std::string model_type(const Results& r) {
  const json& model = r.manifest.at("model");
  return model.value("model_type", model.value("source", "capture"));
}

json losses(const Results& r) {
  json out = json::array();
  for (const LossRecord& loss : r.losses) out.push_back(loss.loss);
  return out;
}

/// Describes the manifest and sessions for people.
json provenance(const Results& r) {
  const json& m = r.manifest;
  json out = json::array();
  const auto add = [&](const char* name, const json& value) {
    out.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  };
  add("model", m.at("model").value("path", ""));
  add("hash of all weights", m.at("model").at("hash"));
  add("type", model_type(r));
  for (const json& notice : m.at("model").value("notices", json::array())) add("notice", notice);
  add("layers x heads (KV heads) x head dimension",
      fmt::format("{} x {} ({}) x {}", r.num_layers, r.num_heads, r.num_kv_heads,
                  m.at("model").at("head_dim").get<std::int64_t>()));
  for (const json& text : m.at("texts")) {
    add("text", text.at("name").get<std::string>() +
                    (text.contains("hash_of_used") ? ", tokens " + text.at("hash_of_used").get<std::string>() : ""));
  }
  for (const LossRecord& loss : r.losses) {
    add("next-token loss",
        fmt::format("{}: {:.4f} nats over {} predictions", r.texts.at(loss.text), loss.loss, loss.predictions));
  }
  if (const std::string windows = windows_text(r.visible, r.contexts.back()); !windows.empty()) {
    add("windows", windows + ": their causal field and attention cover only these");
  }
  add("contexts measured", m.at("contexts"));
  add("seed", m.at("seed"));
  add("program", m.at("program"));
  add("back end", m.at("backend"));
  for (const SessionRecord& s : r.sessions) {
    add("session",
        fmt::format("{}: {} rank{} as {}, weights {}{}", s.started, s.hosts.size(), s.hosts.size() == 1 ? "" : "s",
                    s.grid, s.weights, s.job.empty() ? "" : fmt::format(", SLURM job {} on {}", s.job, s.cluster)));
  }
  return out;
}

}  // namespace

json report_data(const Results& results) {
  const Data data(results);
  return {{"model", results.manifest.at("model").at("name")},
          {"measured", results.layers.size()},
          {"planned", results.texts.size() * static_cast<std::size_t>(results.num_layers)},
          {"texts", results.texts},
          {"scopes", results.scopes},
          {"contexts", data.contexts()},
          {"holdsTexts", data.holds_texts()},
          {"layers", results.num_layers},
          {"firstLayer", results.first_layer},
          {"heads", results.num_heads},
          {"kvHeads", results.num_kv_heads},
          {"group", results.num_heads / results.num_kv_heads},
          {"keysSeen", keys_seen(results)},
          {"headDim", results.manifest.at("model").at("head_dim")},
          {"type", model_type(results)},
          {"losses", losses(results)},
          {"statistics", data.statistics()},
          {"values", data.values()},
          {"details", data.details()},
          {"nulls", data.nulls()},
          {"certificates", data.certificates()},
          {"provenance", provenance(results)}};
}

}  // namespace logitfield
