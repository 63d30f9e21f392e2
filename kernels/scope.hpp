#pragma once
#include <string_view>

#include "kernels/logit_form.hpp"

namespace logitfield::kernels {

/// Scope of a field; S is the logit matrix.
enum class Scope {
  full,               // E_ij = S_ij - mean of row i over all keys
  causal,             // E_ij = S_ij - mean of row i over the keys that query i sees; 0 for other keys
  causal_mean,        // E_ij = S_ij - mean of row i over the keys j <= i
  causal_unwindowed,  // as causal_mean where j <= i, 0 for j > i: `causal` of a layer without a window
};

/// "full", "causal", "causal-mean", "causal-unwindowed"
std::string_view scope_name(Scope scope);
/// Throws std::invalid_argument for another name.
Scope scope_named(std::string_view name);

/// Tells whether the field is zero outside the keys of the row means.
constexpr bool is_masked(Scope scope) { return scope == Scope::causal || scope == Scope::causal_unwindowed; }

/// Returns the window or chunks by which a scope masks the field of a context; none if they hide no key.
inline Visible mask_of(const LogitForm& form, Scope scope, std::int64_t length) {
  return scope == Scope::causal && form.visible.hides(length) ? form.visible : Visible{};
}

/// Returns the keys over which the mean of row i is taken.
inline Range averaged_keys(const LogitForm& form, Scope scope, std::int64_t i, std::int64_t length) {
  if (scope == Scope::full) return {0, length};
  return {mask_of(form, scope, length).first_key(i), i + 1};
}

}  // namespace logitfield::kernels
