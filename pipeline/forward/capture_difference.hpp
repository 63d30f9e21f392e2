#pragma once
#include <string>
#include <vector>

#include "pipeline/forward/forward_context.hpp"

namespace logitfield {

/// How far heads lie from recorded ones: absolute differences over the largest absolute value recorded of the head.
struct HeadDifferences {
  /// Per layer and head: [layer * heads + head].
  std::int64_t heads = 0;
  /// The largest; the most that angles rounded to float32 can make at any position (float32_angle_errors); the most
  /// that they leave unexplained at any position; and the largest of the lengths of pairs of columns that turn
  /// together, which angles do not change (of columns that do not turn: themselves).
  std::vector<double> largest, explained, unexplained, lengths;
};

/// How far a model's Q, K and final logits lie from a capture of the same tokens. Queries are compared times the logit
/// scale.
struct Differences {
  HeadDifferences queries, keys;
  /// Over the largest logit; negative where the capture holds no logits.
  double logits = -1, logits_unexplained = 0;
  std::int64_t num_layers = 0;

  /// The largest that float32 angles do not explain.
  double unexplained() const;
};

/// The job of running the capture's tokens through the model. Throws InputError naming file and values where the
/// capture holds no tokens, or differs from the model in layers, heads, head_dim, slopes or soft-cap.
Job comparison_job(const Options& options, const io::Capture& capture);

/// Runs the model; collective, every rank gets the same. Throws InputError for a value of the capture that is not
/// finite.
Differences compare(const ForwardContext& context, const io::Capture& capture);

/// A line per layer and head, the largest of all, what float32 angles explain of it; and, where more than `tolerance`
/// is left, what is wrong where it first is.
std::string describe(const Differences& differences, double tolerance);

}  // namespace logitfield
