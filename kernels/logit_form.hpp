#pragma once
#include <cmath>
#include <optional>

#include "kernels/visible.hpp"

namespace logitfield::kernels {

/// How a head's logits follow from query i and key j: x = scale q_i . k_j + alibi_slope (j - i), capped to
/// softcap tanh(x / softcap) where the model does so.
struct LogitForm {
  double scale = 0;
  double alibi_slope = 0;
  std::optional<double> softcap = {};
  /// The keys that the head's softmax shows to a query.
  Visible visible = {};

  /// The field is a product of tall factors (MATH "ALiBi adds ..."), masked or not. Capped logits have no such form.
  bool has_factors() const { return !softcap; }
  double cap(double x) const { return softcap ? *softcap * std::tanh(x / *softcap) : x; }
};

}  // namespace logitfield::kernels
