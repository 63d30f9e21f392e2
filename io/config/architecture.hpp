#pragma once
#include <cstdint>
#include <vector>

// Describes the arithmetic of a decoder in terms that hold for every model family. Plain values: the kernels read them
// too.
namespace logitfield::io {

/// Activation function of the MLP. gelu is exact (erf); gelu_tanh is its usual approximation.
enum class Activation { silu, gelu, gelu_tanh, relu, relu_squared };

/// A gate of another form: (clamp(up, -limit, limit) + 1) g sigmoid(alpha g), g = min(gate, limit) (gpt-oss).
struct ClampedGate {
  double alpha = 0, limit = 0;
};

/// Norm of a vector. It divides by the root mean square, after centring in LayerNorm. Then it multiplies by gain +
/// gain_offset and adds the bias.
struct NormForm {
  bool centred = false;
  double epsilon = 0;
  bool has_gain = true, has_bias = false;
  double gain_offset = 0;
};

/// The pairs of a head's columns that rotate together.
enum class RotaryPairs {
  halves,                // k with k + n/2
  neighbours,            // 2k with 2k + 1
  neighbours_to_halves,  // 2k with 2k + 1, the results stored at k and k + n/2
};

/// Rotary position encoding (Su et al. 2021) of 2 * frequencies.size() columns of a head; the others stay unchanged.
struct Rotary {
  std::int64_t first_column = 0;
  /// Radians per position, one per pair.
  std::vector<double> frequencies;
  /// Used instead in texts longer than `long_above` tokens (LongRoPE).
  std::vector<double> long_frequencies = {};
  std::int64_t long_above = 0;
  /// Multiplies cosine and sine (YaRN, LongRoPE).
  double amplitude = 1;
  RotaryPairs pairs = RotaryPairs::halves;

  const std::vector<double>& frequencies_at(std::int64_t length) const {
    return long_frequencies.empty() || length <= long_above ? frequencies : long_frequencies;
  }
};

/// The rule by which a router chooses experts for a token and weights them.
struct Routing {
  std::int64_t num_experts = 0, top_k = 0;
  /// Scores are a sigmoid of each logit, not a softmax over the experts.
  bool sigmoid = false;
  /// Divide the chosen scores by their sum.
  bool normalise = false;
  /// Multiplies the weights.
  double scale = 1;
  /// The experts form `groups` equal groups. Only experts of the best `top_groups` may be chosen; a group is ranked by
  /// the sum of its `group_scores` largest scores.
  std::int64_t groups = 1, top_groups = 1, group_scores = 1;
  /// The router's map has a bias.
  bool has_logit_bias = false;
  /// A bias per expert is added to the scores for the choice, but not to the weights.
  bool has_bias = false;
};

}  // namespace logitfield::io
