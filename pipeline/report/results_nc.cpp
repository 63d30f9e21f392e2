#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "io/netcdf.hpp"
#include "pipeline/results/field_readings.hpp"
#include "pipeline/results/results.hpp"
#include "pipeline/results/schema.hpp"

namespace logitfield {
namespace {

using io::NetcdfVariable;
using kernels::HeadStatistics;

constexpr std::size_t kBins = 256;
const std::vector<std::string> kHeadDimensions{"scope", "text", "context", "layer", "head"};

std::vector<std::string> with(std::vector<std::string> dimensions, const char* last) {
  dimensions.emplace_back(last);
  return dimensions;
}

std::vector<std::int64_t> counting(std::int64_t first, std::int64_t size) {
  std::vector<std::int64_t> out(size);
  std::iota(out.begin(), out.end(), first);
  return out;
}

NetcdfVariable coordinate(const char* name, const char* description, std::vector<std::int64_t> values) {
  return {name, {name}, "1", description, {}, std::move(values), {}};
}

/// Calls visit(index of the head's entry in kHeadDimensions order, record, field) for all heads in the journal.
template <class Visit>
void visit_records(const Results& results, Visit&& visit) {
  for (const auto& [key, layer] : results.layers) {
    for (const HeadRecord& head : layer.heads) {
      for (std::size_t f = 0; f < head.fields.size(); ++f) {
        const auto [context, scope] = results.place_of(f);
        const std::size_t text = scope * results.texts.size() + static_cast<std::size_t>(layer.text);
        const std::size_t row =
            (text * results.contexts.size() + context) * results.num_layers + (layer.layer - results.first_layer);
        visit(row * results.num_heads + head.head, head, f);
      }
    }
  }
}

/// Calls visit(index, statistics) for all heads in the journal.
template <class Visit>
void visit_heads(const Results& results, Visit&& visit) {
  visit_records(results,
                [&](std::size_t entry, const HeadRecord& head, std::size_t f) { visit(entry, head.fields[f]); });
}

std::size_t head_entries(const Results& r) {
  return r.scopes.size() * r.texts.size() * r.contexts.size() * static_cast<std::size_t>(r.num_layers * r.num_heads);
}

/// A variable over layers; NaN if a layer hides no key.
NetcdfVariable keys_shown(const Results& r, const char* name, const char* description,
                          std::int64_t kernels::Visible::*member) {
  NetcdfVariable out{name, {"layer"}, "token", description, {}, {}, {}};
  for (std::int64_t l = 0; l < r.num_layers; ++l) {
    const std::int64_t keys = r.visible_at(r.first_layer + l).*member;
    out.doubles.push_back(keys > 0 ? static_cast<double>(keys) : std::numeric_limits<double>::quiet_NaN());
  }
  return out;
}

std::vector<NetcdfVariable> coordinates(const Results& r, std::int64_t components) {
  std::vector<std::int64_t> kv_heads = counting(0, r.num_heads);
  for (std::int64_t& h : kv_heads) h /= r.num_heads / r.num_kv_heads;
  return {{"scope", {"scope"}, "", "which keys the mean of a row covers", {}, {}, r.scopes},
          {"text", {"text"}, "", "name of the text", {}, {}, r.texts},
          {"context", {"context"}, "token", "length of the context", {}, r.contexts, {}},
          coordinate("layer", "layer, from 0", counting(r.first_layer, r.num_layers)),
          coordinate("head", "query head, from 0", counting(0, r.num_heads)),
          coordinate("component", "component of the spectrum, from 1", counting(1, components)),
          coordinate("bin", "bin of the positions: bin b of B = min(context, 256) starts at floor(b context / B)",
                     counting(0, kBins)),
          {"kv_head", {"head"}, "1", "KV head that the query head reads", {}, std::move(kv_heads), {}},
          keys_shown(r, "window", "number of latest keys that a query of the layer sees; NaN: all",
                     &kernels::Visible::window),
          keys_shown(r, "chunk", "length of the layer's chunks; a query sees no key outside its chunk; NaN: no chunks",
                     &kernels::Visible::chunk)};
}

NetcdfVariable losses_variable(const Results& r) {
  NetcdfVariable out{"loss", {"text"}, "nat", "mean next-token loss", {}, {}, {}};
  out.doubles.assign(r.texts.size(), std::numeric_limits<double>::quiet_NaN());
  for (const LossRecord& record : r.losses) out.doubles.at(record.text) = record.loss;
  return out;
}

/// One variable per scalar of the schema, in its order, all entries missing.
std::vector<NetcdfVariable> empty_scalars(std::size_t entries) {
  std::vector<NetcdfVariable> out;
  const HeadStatistics any;
  visit_statistics(any, [&](const StatisticInfo& info, const auto& value) {
    NetcdfVariable variable{
        std::string(info.name), kHeadDimensions, std::string(info.units), std::string(info.description), {}, {}, {}};
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
      variable.doubles.assign(entries, std::numeric_limits<double>::quiet_NaN());
    } else {
      variable.integers.assign(entries, io::kMissingInteger);
    }
    out.push_back(std::move(variable));
  });
  out.push_back({"certified",
                 kHeadDimensions,
                 "1",
                 "1 where every check of the head's certificate holds",
                 {},
                 std::vector<std::int64_t>(entries, io::kMissingInteger),
                 {}});
  return out;
}

void fill_scalars(const HeadStatistics& s, std::size_t entry, std::vector<NetcdfVariable>& variables) {
  std::size_t v = 0;
  visit_statistics(s, [&](const StatisticInfo&, const auto& value) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
      variables[v].doubles[entry] = value;
    } else {
      if (is_defined(value)) variables[v].integers[entry] = static_cast<std::int64_t>(value);
    }
    ++v;
  });
  variables[v].integers[entry] = s.certificate.certified();
}

/// A variable of one list per head, padded with NaN.
NetcdfVariable lists(const Results& results, const char* name, const char* units, const char* description,
                     const char* dimension, std::size_t width, const std::vector<double> HeadStatistics::*member) {
  NetcdfVariable out{name, with(kHeadDimensions, dimension), units, description, {}, {}, {}};
  out.doubles.assign(head_entries(results) * width, std::numeric_limits<double>::quiet_NaN());
  visit_heads(results, [&](std::size_t entry, const HeadStatistics& s) {
    std::copy((s.*member).begin(), (s.*member).end(), out.doubles.begin() + static_cast<std::ptrdiff_t>(entry * width));
  });
  return out;
}

std::size_t most_components(const Results& results) {
  std::size_t most = 1;
  visit_heads(results, [&](std::size_t, const HeadStatistics& s) { most = std::max(most, s.singular_values.size()); });
  return most;
}

/// Adds mean and standard deviation over Gaussian heads, by scope and context, for every statistic that has a variable.
void add_nulls(const Results& results, std::vector<NetcdfVariable>& variables) {
  std::map<std::string, std::size_t> places;
  const std::size_t scopes = results.scopes.size(), contexts = results.contexts.size();
  const auto place_of = [&](const std::string& statistic, const char* ending, const char* description) {
    const std::string name = "null_" + statistic + ending;
    const auto [found, fresh] = places.try_emplace(name, variables.size());
    if (fresh) {
      const auto measured = std::ranges::find(variables, statistic, &NetcdfVariable::name);
      variables.push_back({name, {"scope", "context"}, measured->units, description, {}, {}, {}});
      variables.back().doubles.assign(scopes * contexts, kernels::kUndefined);
    }
    return found->second;
  };
  for (const NullRecord& null : results.nulls) {
    const auto [context, scope] = results.place_of(static_cast<std::size_t>(null.field));
    const std::size_t entry = scope * contexts + context;
    for (const auto& [name, statistic] : null.of.statistics) {
      variables[place_of(name, "", "mean over Gaussian heads")].doubles.at(entry) = statistic.mean().value();
      variables[place_of(name, "_sd", "standard deviation over Gaussian heads")].doubles.at(entry) = statistic.sd();
    }
  }
}

/// Adds mean and standard deviation over the draws from each head, and the head's p-value among them.
void add_head_nulls(const Results& results, std::vector<NetcdfVariable>& variables) {
  std::map<std::string, std::size_t> places;
  const auto put = [&](const StatisticInfo& info, const char* ending, const char* description, std::size_t entry,
                       double value) {
    const std::string name = "head_null_" + std::string(info.name) + ending;
    const auto [found, fresh] = places.try_emplace(name, variables.size());
    if (fresh) {
      const std::string units = ending == std::string("_p") ? "1" : std::string(info.units);
      variables.push_back({name, kHeadDimensions, units, description, {}, {}, {}});
      variables.back().doubles.assign(head_entries(results), kernels::kUndefined);
    }
    variables[found->second].doubles[entry] = value;
  };
  visit_records(results, [&](std::size_t entry, const HeadRecord& head, std::size_t f) {
    if (head.nulls.empty()) return;
    for (const HeadNullCell& cell : head_null_cells(head, f)) {
      put(cell.info, "", "mean over draws from the head", entry, cell.mean.value());
      put(cell.info, "_sd", "standard deviation over draws from the head", entry, cell.sd);
      put(cell.info, "_p", "p-value of the head among draws from itself, before correction for many heads", entry,
          cell.p);
    }
  });
}

}  // namespace

void write_results_nc(const Results& results, const std::filesystem::path& path) {
  const std::size_t components = most_components(results);
  const std::vector<io::NetcdfDimension> dimensions{{"scope", results.scopes.size()},
                                                    {"text", results.texts.size()},
                                                    {"context", results.contexts.size()},
                                                    {"layer", static_cast<std::size_t>(results.num_layers)},
                                                    {"head", static_cast<std::size_t>(results.num_heads)},
                                                    {"component", components},
                                                    {"bin", kBins}};
  std::vector<NetcdfVariable> variables = coordinates(results, static_cast<std::int64_t>(components));
  variables.push_back(losses_variable(results));
  std::vector<NetcdfVariable> scalars = empty_scalars(head_entries(results));
  visit_heads(results, [&](std::size_t entry, const HeadStatistics& s) { fill_scalars(s, entry, scalars); });
  std::move(scalars.begin(), scalars.end(), std::back_inserter(variables));
  variables.push_back(lists(results, "singular_values", "logit", "leading singular values of the field, descending",
                            "component", components, &HeadStatistics::singular_values));
  variables.push_back(lists(results, "key_profile", "1", "energy shares of the key positions, summed over bins", "bin",
                            kBins, &HeadStatistics::key_profile));
  variables.push_back(lists(results, "query_profile", "1", "energy shares of the query positions, summed over bins",
                            "bin", kBins, &HeadStatistics::query_profile));
  add_nulls(results, variables);
  add_head_nulls(results, variables);
  const std::vector<std::pair<std::string, std::string>> attributes{
      {"title", "energy-field statistics of softmax attention"},
      {"source", "logitfield " LOGITFIELD_VERSION},
      {"manifest", results.manifest.dump()}};
  io::write_netcdf(path, dimensions, variables, attributes);
}

}  // namespace logitfield
