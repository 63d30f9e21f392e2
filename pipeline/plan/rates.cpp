#include "pipeline/plan/rates.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"

namespace logitfield {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kFormat = "logitfield-rates";

/// Every number of the rates, by its name in the file.
template <class RatesType, class Visit>
void visit_rates(RatesType& rates, Visit visit) {
  visit("rank_memory", rates.rank_memory);
  visit("gemm", rates.gemm);
  visit("memory", rates.memory);
  visit("storage", rates.storage);
  visit("hash", rates.hash);
  visit("load", rates.load);
  visit("latency", rates.latency);
  visit("bandwidth", rates.bandwidth);
}

double distance(std::int64_t a, std::int64_t b) {
  return std::abs(std::log(static_cast<double>(a) / static_cast<double>(b)));
}

}  // namespace

ForwardSample Rates::forward_at(std::int64_t hidden_size) const {
  if (forward.empty())
    throw InputError("the rates hold no sample of the forward pass; measure them with plan --calibrate");
  return *std::ranges::min_element(forward, {},
                                   [&](const ForwardSample& s) { return distance(s.hidden_size, hidden_size); });
}

double Rates::field_seconds(const std::string& route, std::int64_t head_dim, std::int64_t group, std::int64_t context,
                            double flops) const {
  const auto mismatch = [&](const FieldSample& s) {
    return 4 * distance(s.head_dim, head_dim) + distance(s.group, group);
  };
  std::vector<FieldSample> nearest;
  for (const FieldSample& s : fields) {
    if (s.route == route) nearest.push_back(s);
  }
  if (nearest.empty()) {
    throw InputError("the rates hold no sample of the {} route; measure them with plan --calibrate", route);
  }
  const double least = mismatch(*std::ranges::min_element(nearest, {}, mismatch));
  std::erase_if(nearest, [&](const FieldSample& s) { return mismatch(s) > least + 1e-9; });
  std::ranges::sort(nearest, {}, &FieldSample::context);
  // Flops per second grow with the context up to a limit: interpolate between samples, in the logarithms of both.
  const auto above = std::ranges::find_if(nearest, [&](const FieldSample& s) { return s.context >= context; });
  const auto rate = [](const FieldSample& s) { return s.flops / s.seconds; };
  if (above == nearest.end()) return flops / rate(nearest.back());
  if (above == nearest.begin()) return flops / rate(*above);
  const FieldSample &low = *(above - 1), &high = *above;
  const double place = distance(context, low.context) / distance(high.context, low.context);
  return flops / (rate(low) * std::pow(rate(high) / rate(low), place));
}

fs::path default_rates_path() {
  const char *config = std::getenv("XDG_CONFIG_HOME"), *home = std::getenv("HOME");
  const fs::path base = config && *config ? fs::path(config) : fs::path(home ? home : ".") / ".config";
  return base / "logitfield" / "rates.json";
}

Rates read_rates(const fs::path& path) {
  const json file = io::read_json(path);
  const std::string origin = path.string();
  if (io::required<std::string>(file, "format", origin) != kFormat) {
    throw InputError("{}: format is not {}; give a file that plan --calibrate wrote", origin, kFormat);
  }
  Rates rates;
  rates.source = io::required<std::string>(file, "source", origin);
  rates.ranks_per_host = io::required<std::int64_t>(file, "ranks_per_host", origin);
  visit_rates(rates, [&](const char* name, double& value) {
    value = io::required<double>(file, name, origin);
    if (!(value > 0) && std::string(name) != "rank_memory") {
      throw InputError("{}: {} is {}, but must be positive; measure again with plan --calibrate", origin, name, value);
    }
  });
  try {
    for (const json& s : file.at("forward")) {
      rates.forward.push_back({s.at("hidden_size"), s.at("weights"), s.at("attention")});
    }
    for (const json& s : file.at("fields")) {
      rates.fields.push_back(
          {s.at("route"), s.at("head_dim"), s.at("group"), s.at("context"), s.at("flops"), s.at("seconds")});
    }
  } catch (const json::exception& error) {
    throw InputError("{}: {}; measure again with plan --calibrate", origin, error.what());
  }
  return rates;
}

void write_rates(const Rates& rates, const fs::path& path) {
  json file{{"format", kFormat}, {"source", rates.source}, {"ranks_per_host", rates.ranks_per_host}};
  visit_rates(rates, [&](const char* name, double value) { file[name] = value; });
  file["forward"] = json::array();
  for (const ForwardSample& s : rates.forward) {
    file["forward"].push_back({{"hidden_size", s.hidden_size}, {"weights", s.weights}, {"attention", s.attention}});
  }
  file["fields"] = json::array();
  for (const FieldSample& s : rates.fields) {
    file["fields"].push_back({{"route", s.route},
                              {"head_dim", s.head_dim},
                              {"group", s.group},
                              {"context", s.context},
                              {"flops", s.flops},
                              {"seconds", s.seconds}});
  }
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) io::throw_system_error(path.parent_path(), io::Access::write, error.value());
  io::write_atomically(path, file.dump(1) + "\n");
}

}  // namespace logitfield
