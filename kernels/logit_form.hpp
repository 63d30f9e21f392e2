#pragma once
#include <cmath>
#include <limits>
#include <optional>

#include "kernels/visible.hpp"

namespace logitfield::kernels {

/// How a head's logits follow from query i and key j: x = scale q_i . k_j + alibi_slope (j - i), capped to
/// softcap tanh(x / softcap) where the model does so.
struct LogitForm {
  double scale = 0;
  double alibi_slope = 0;
  std::optional<double> softcap = {};
  /// The keys that a query of this head sees in the softmax.
  Visible visible = {};
  /// The logit of a member of the softmax that is no key and has no value (a learned sink); minus infinity: none. The
  /// field has no column for it.
  double sink = -std::numeric_limits<double>::infinity();

  /// Tells whether the field is a product of tall factors, masked or not; ALiBi adds a column. Capped logits have no
  /// such form.
  bool has_factors() const { return !softcap; }
  double cap(double x) const { return softcap ? *softcap * std::tanh(x / *softcap) : x; }
};

}  // namespace logitfield::kernels
