#pragma once
#include <string>
#include <vector>

#include "pipeline/run_context.hpp"

namespace logitfield {

/// How far a model's Q, K and final logits lie from a capture of the same tokens: largest absolute difference over the
/// largest absolute value in the capture, head by head. Queries are compared times the logit scale.
struct Differences {
  /// [layer * num_heads + head], [layer * num_kv_heads + head].
  std::vector<double> queries, keys;
  /// Negative where the capture holds no logits.
  double logits = -1;
  std::int64_t num_layers = 0, num_heads = 0, num_kv_heads = 0;

  double largest() const;
};

/// The job of running the capture's tokens through the model. Throws InputError naming file and values where the
/// capture holds no tokens, or differs from the model in layers, heads, head_dim, slopes or soft-cap.
Job comparison_job(const Options& options, const io::Capture& capture);

/// Runs the model; collective, every rank gets the same. Throws InputError for a value of the capture that is not
/// finite.
Differences compare(const ForwardContext& context, const io::Capture& capture);

/// A line per layer and head, and the largest of all.
std::string describe(const Differences& differences);

}  // namespace logitfield
