#include "io/config/rotary_config.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

using std::numbers::pi;

/// Returns the object that scales the rotation; empty if there is none.
ConfigSource scaling_of(const ConfigSource& config) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (config.has(key)) return config.object(key);
  }
  return {config.path(), nlohmann::json::object()};
}

std::vector<double> plain_frequencies(double theta, std::int64_t columns) {
  std::vector<double> out;
  for (std::int64_t k = 0; k < columns; k += 2) {
    out.push_back(std::pow(theta, -static_cast<double>(k) / static_cast<double>(columns)));
  }
  return out;
}

/// The context length that the rotation was trained for, which files write outside or inside the parameters. Newer
/// files mean the outer one.
std::int64_t original_length(const ConfigSource& config, const ConfigSource& p, std::optional<std::int64_t> fallback) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (config.has(kKey)) {
    const std::int64_t outer = config.size(kKey);
    if (p.size_or(kKey, outer) == outer) return outer;
    throw InputError("{}: \"{}\" is {}, but {} in {}; make them equal", config.path(), kKey, outer, p.size(kKey),
                     p.path());
  }
  return fallback ? p.size_or(kKey, *fallback) : p.size(kKey);
}

void scale_linear(const ConfigSource& p, Rotary& rotary) {
  const double factor = p.positive_or("factor", 1);
  for (double& f : rotary.frequencies) f /= factor;
}

/// Llama 3.1: long wavelengths are stretched, short ones kept, those in between blended.
void scale_llama3(const ConfigSource& config, const ConfigSource& p, Rotary& rotary) {
  const double factor = p.positive_or("factor", 8), low = p.positive_or("low_freq_factor", 1),
               high = p.positive_or("high_freq_factor", 4),
               original = static_cast<double>(original_length(config, p, {}));
  for (double& f : rotary.frequencies) {
    const double turns = original * f / (2 * pi);
    const double blend = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    f = (1 - blend) * f / factor + blend * f;
  }
}

double yarn_scale(double factor, double weight) { return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1; }

/// YaRN (Peng et al. 2023): fast pairs keep their frequency, slow pairs are stretched, with a ramp in between.
double scale_yarn(const ConfigSource& config, const ConfigSource& p, const RotaryDefaults& defaults, double theta,
                  Rotary& rotary) {
  const auto original = static_cast<double>(original_length(config, p, defaults.max_positions));
  const double factor = p.positive_or("factor", static_cast<double>(defaults.max_positions) / original);
  const double weight = p.number_or("mscale", 0), all = p.number_or("mscale_all_dim", 0);
  rotary.amplitude =
      p.positive_or("attention_factor", weight != 0 && all != 0 ? yarn_scale(factor, weight) / yarn_scale(factor, all)
                                                                : yarn_scale(factor, 1));
  const auto pairs = static_cast<double>(rotary.frequencies.size());
  const auto pair_turning = [&](double turns) {
    return pairs * std::log(original / (turns * 2 * pi)) / std::log(theta);
  };
  double first = pair_turning(p.positive_or("beta_fast", 32)), last = pair_turning(p.positive_or("beta_slow", 1));
  if (p.flag("truncate", true)) first = std::floor(first), last = std::ceil(last);
  first = std::max(first, 0.0), last = std::min(last, 2 * pairs - 1);
  if (first == last) last += 0.001;
  for (std::size_t k = 0; k < rotary.frequencies.size(); ++k) {
    const double stretched = std::clamp((static_cast<double>(k) - first) / (last - first), 0.0, 1.0);
    rotary.frequencies[k] *= stretched / factor + (1 - stretched);
  }
  return all == 0 ? 1 : yarn_scale(factor, all) * yarn_scale(factor, all);
}

void divide_by(const ConfigSource& p, const char* key, std::vector<double>& frequencies) {
  const std::vector<double> factors = p.numbers(key);
  if (factors.size() != frequencies.size()) {
    throw InputError("{}: \"{}\" has {} entries, but {} pairs of columns are rotated; correct it", p.path(), key,
                     factors.size(), frequencies.size());
  }
  for (std::size_t k = 0; k < frequencies.size(); ++k) frequencies[k] /= factors[k];
}

/// LongRoPE (Ding et al. 2024): one set of factors up to the original length, another beyond it.
void scale_longrope(const ConfigSource& config, const ConfigSource& p, const RotaryDefaults& defaults, Rotary& rotary) {
  rotary.long_above = original_length(config, p, defaults.max_positions);
  const auto original = static_cast<double>(rotary.long_above);
  const double factor = p.positive_or("factor", static_cast<double>(defaults.max_positions) / original);
  const double amplitude = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
  rotary.amplitude = p.positive_or("attention_factor", amplitude);
  rotary.long_frequencies = rotary.frequencies;
  divide_by(p, "short_factor", rotary.frequencies);
  divide_by(p, "long_factor", rotary.long_frequencies);
}

/// Dynamic NTK: the base grows with texts longer than max_position_embeddings, which no run contains; or it is fixed.
void scale_dynamic(const ConfigSource& p, const RotaryDefaults& defaults, double theta, Rotary& rotary) {
  (void)p.positive_or("factor", 1);
  if (!defaults.has_alpha) return;
  p.ignore({"beta_fast", "beta_slow", "mscale", "mscale_all_dim"});  // of other types
  const double alpha = p.positive_or("alpha", 1);
  if (alpha == 1) return;
  const auto columns = static_cast<std::int64_t>(2 * rotary.frequencies.size());
  const double power = static_cast<double>(columns) / static_cast<double>(columns - 2);
  rotary.frequencies = plain_frequencies(theta * std::pow(alpha, power), columns);
}

/// Checks the result: numbers that are valid one by one may still combine to infinity or 0/0.
void check_finite(const ConfigSource& config, const Rotary& rotary) {
  const auto finite = [](double value) { return std::isfinite(value); };
  if (finite(rotary.amplitude) && std::ranges::all_of(rotary.frequencies, finite) &&
      std::ranges::all_of(rotary.long_frequencies, finite)) {
    return;
  }
  throw InputError("{}: frequencies or amplitude of the rotation are not finite; correct rope_theta and the scaling",
                   config.path());
}

/// Returns the type under its present name.
std::string type_of(const ConfigSource& p) {
  const std::string type = p.text_or("rope_type", p.text_or("type", "default"));
  if (type == "su") return "longrope";
  if (type == "deepseek_yarn") return "yarn";
  // The first files of Phi-3 call LongRoPE "yarn".
  return type == "yarn" && p.has("short_factor") ? "longrope" : type;
}

}  // namespace

RotaryConfig rotary_from(const ConfigSource& config, const ConfigSource& p, const RotaryDefaults& defaults) {
  const double outer = config.positive_or(defaults.theta_key, defaults.theta);
  const double theta = p.positive_or("rope_theta", outer);
  if (config.has(defaults.theta_key) && theta != outer) {
    throw InputError("{}: \"{}\" is {}, but {} in {}; make them equal", config.path(), defaults.theta_key, outer, theta,
                     p.path());
  }
  const double partial = p.positive_or("partial_rotary_factor",
                                       config.positive_or(defaults.factor_key, defaults.partial_factor.value_or(1)));
  if (!defaults.partial_factor && partial != 1) {
    (p.has("partial_rotary_factor") ? p : config)
        .refuse("partial_rotary_factor", "use a model that rotates whole heads");
  }
  const auto columns = static_cast<std::int64_t>(static_cast<double>(defaults.columns) * partial);
  if (columns < 2 || columns % 2 != 0 || columns > defaults.columns) {
    throw InputError("{}: {} of {} columns of a head cannot be rotated in pairs; correct head_dim or {}", config.path(),
                     columns, defaults.columns, defaults.factor_key);
  }
  RotaryConfig out;
  out.rotary.frequencies = plain_frequencies(theta, columns);
  if (p.has("factor") && !p.has("rope_type") && !p.has("type")) {
    throw InputError("{}: \"rope_type\" is missing; add it", p.path());
  }
  const std::string type = type_of(p);
  if (type == "linear") {
    scale_linear(p, out.rotary);
  } else if (type == "llama3") {
    scale_llama3(config, p, out.rotary);
  } else if (type == "yarn") {
    out.scale_factor = scale_yarn(config, p, defaults, theta, out.rotary);
  } else if (type == "longrope") {
    scale_longrope(config, p, defaults, out.rotary);
  } else if (type == "dynamic") {
    scale_dynamic(p, defaults, theta, out.rotary);
  } else if (type != "default") {
    p.refuse(p.has("rope_type") ? "rope_type" : "type", "use default, linear, dynamic, llama3, yarn or longrope");
  }
  // Files of the default rotation may contain leftover keys of other types. In a scaled rotation every key must be
  // known.
  for (const ConfigSource* source : {&config, &p}) source->ignore({"original_max_position_embeddings"});
  if (type != "default") p.refuse_unread();
  check_finite(p, out.rotary);
  return out;
}

RotaryConfig read_rotary(const ConfigSource& config, const RotaryDefaults& defaults) {
  const bool both = config.has("rope_scaling") && config.has("rope_parameters");
  if (both && config.at("rope_scaling") != config.at("rope_parameters")) {
    throw InputError("{}: \"rope_scaling\" and \"rope_parameters\" differ; remove one of them", config.path());
  }
  return rotary_from(config, scaling_of(config), defaults);
}

}  // namespace logitfield::io
