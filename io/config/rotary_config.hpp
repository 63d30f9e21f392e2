#pragma once
#include <optional>

#include "io/config/architecture.hpp"
#include "io/config/config_source.hpp"

namespace logitfield::io {

/// A family's defaults for its rotation.
struct RotaryDefaults {
  /// Columns of a head for which the frequencies are computed (before any partial factor).
  std::int64_t columns = 0;
  double theta = 10000;
  /// The part of the columns that rotates. Families without a value rotate all columns and accept no other part.
  std::optional<double> partial_factor = {};
  std::int64_t max_positions = 0;
  /// A dynamic scaling may give its base by a fixed "alpha" (HunYuan).
  bool has_alpha = false;
  /// Names of the top-level keys of theta and of the partial factor.
  const char* theta_key = "rope_theta";
  const char* factor_key = "partial_rotary_factor";
};

/// The rotation of a configuration.
struct RotaryConfig {
  Rotary rotary;
  /// Multiplies the logit scale (YaRN as DeepSeek uses it).
  double scale_factor = 1;
};

/// Reads the rotation of config.json: rope_theta and rope_scaling, or rope_parameters as newer files write them. Types:
/// default, linear, dynamic, llama3, yarn, longrope. Throws InputError for others, and for an odd number of columns.
RotaryConfig read_rotary(const ConfigSource& config, const RotaryDefaults& defaults);

/// Reads the rotation from an object with rope_type and its parameters (empty: the default rotation).
RotaryConfig rotary_from(const ConfigSource& config, const ConfigSource& parameters, const RotaryDefaults& defaults);

}  // namespace logitfield::io
