#pragma once
#include <cmath>
#include <optional>
#include <string_view>

namespace logitfield::kernels {

/// Which field: MATH's three scopes. S is the logit matrix.
enum class Scope {
  full,         // E_ij = S_ij - mean of row i over all keys
  causal,       // E_ij = S_ij - mean of row i over the keys j <= i; 0 for j > i
  causal_mean,  // the same mean, nothing masked
};

/// "full", "causal", "causal-mean"
std::string_view scope_name(Scope scope);
/// Throws std::invalid_argument for another name.
Scope scope_named(std::string_view name);

/// How a head's logits follow from query i and key j: x = scale q_i . k_j + alibi_slope (j - i), capped to
/// softcap tanh(x / softcap) where the model does so.
struct LogitForm {
  double scale = 0;
  double alibi_slope = 0;
  std::optional<double> softcap = {};

  /// The field is a product of tall factors (MATH "ALiBi adds ..."), masked or not. Capped logits have no such form.
  bool has_factors() const { return !softcap; }
  double cap(double x) const { return softcap ? *softcap * std::tanh(x / *softcap) : x; }
};

}  // namespace logitfield::kernels
