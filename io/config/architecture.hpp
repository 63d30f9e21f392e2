#pragma once
#include <cstdint>
#include <optional>
#include <vector>

// What a decoder computes, in terms that hold for every model family. Plain values: the kernels read them too.
namespace logitfield::io {

/// Of the MLP. gelu is exact (erf), gelu_tanh its usual approximation.
enum class Activation { silu, gelu, gelu_tanh, relu };

/// A norm over a vector: by its root mean square, or centred first (LayerNorm); then times gain + gain_offset, plus
/// bias.
struct NormForm {
  bool centred = false;
  double epsilon = 0;
  bool has_gain = true, has_bias = false;
  double gain_offset = 0;
};

/// Which columns of a head turn together.
enum class RotaryPairs {
  halves,                // k with k + n/2
  neighbours,            // 2k with 2k + 1
  neighbours_to_halves,  // 2k with 2k + 1, the results stored at k and k + n/2
};

/// Rotary position encoding (Su et al. 2021) of 2 * frequencies.size() columns of a head; the others stay.
struct Rotary {
  std::int64_t first_column = 0;
  /// Radians a position, one per pair.
  std::vector<double> frequencies;
  /// Used instead where a text is longer than `long_above` tokens (LongRoPE).
  std::vector<double> long_frequencies = {};
  std::int64_t long_above = 0;
  /// Factor of cosine and sine (YaRN, LongRoPE).
  double amplitude = 1;
  RotaryPairs pairs = RotaryPairs::halves;

  const std::vector<double>& frequencies_at(std::int64_t length) const {
    return long_frequencies.empty() || length <= long_above ? frequencies : long_frequencies;
  }
};

/// How a router picks experts for a token and weighs them.
struct Routing {
  std::int64_t num_experts = 0, top_k = 0;
  /// Scores: a softmax over the experts, or a sigmoid of each.
  bool sigmoid = false;
  /// Divide the chosen scores by their sum.
  bool normalise = false;
  /// Factor of the weights.
  double scale = 1;
  /// Experts lie in `groups` equal groups, of which only the best `top_groups` may be chosen from; a group counts by
  /// its `group_scores` largest scores.
  std::int64_t groups = 1, top_groups = 1, group_scores = 1;
  /// A bias per expert is added to the scores for the choice, not for the weight.
  bool has_bias = false;
};

}  // namespace logitfield::io
