#pragma once
#include <string>
#include <vector>

#include "pipeline/forward/forward_context.hpp"

namespace logitfield {

/// Differences of computed heads from recorded ones, divided by the head's largest recorded absolute value.
struct HeadDifferences {
  /// Number of heads per layer; entries are indexed [layer * heads + head].
  std::int64_t heads = 0;
  /// `largest`: the largest difference. `explained`: the largest difference that angles rounded to float32 can cause at
  /// any position (float32_angle_errors). `unexplained`: the largest difference beyond it at any position. `lengths`:
  /// the largest difference in the length of column pairs, which rotation keeps. For columns that do not rotate, it is
  /// the largest difference of the values.
  std::vector<double> largest, explained, unexplained, lengths;
};

/// Differences of a model's Q, K and final logits from a capture of the same tokens. Queries are compared after
/// multiplication by the logit scale.
struct Differences {
  HeadDifferences queries, keys;
  /// Divided by the largest logit; negative if the capture holds no logits.
  double logits = -1, logits_unexplained = 0;
  std::int64_t num_layers = 0;

  /// The largest difference of queries, keys and logits that float32 angles do not explain.
  double unexplained() const;
};

/// Returns the job that runs the capture's tokens through the model. Throws InputError naming file and values if the
/// capture holds no tokens, or if it differs from the model in layers, heads, head_dim, slopes or soft-cap.
Job comparison_job(const Options& options, const io::Capture& capture);

/// Runs the model and compares. Collective; every rank gets the same result. Throws InputError for a value of the
/// capture that is not finite.
Differences compare(const ForwardContext& context, const io::Capture& capture);

/// Text for people: a line per layer and head, the largest difference of all, and how much of it float32 angles
/// explain. If more than `tolerance` is left unexplained, the text names the fault at the first such head.
std::string describe(const Differences& differences, double tolerance);

}  // namespace logitfield
