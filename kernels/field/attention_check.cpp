#include "kernels/field/attention_check.hpp"

#include <cmath>
#include <limits>

namespace logitfield::kernels {
namespace {

/// Sums of n positive terms use at least this many lanes.
constexpr double kLanes = 8;
/// Operations on a number besides its sum.
constexpr double kOperations = 64;
/// Forward passes raise smaller weights to this.
constexpr double kLeastWeight = 1e-30;
/// Keeps a comparison of zeros from being 0 / 0.
constexpr double kTiny = std::numeric_limits<double>::min();

/// One row's softmax in float64, and the sizes that its rounding bounds depend on.
struct Row {
  double max = 0, entropy = 0, sink = 0;
  /// Weighted mean of max - x, and weighted standard deviation of x.
  double below = 0, deviation = 0;
};

/// Takes the sink for one key more, after the others.
Row softmax_of(const Eigen::Ref<const Eigen::RowVectorXd>& logits, double sink, bool sees_first) {
  Row out;
  out.max = logits.maxCoeff<Eigen::PropagateNaN>();
  const Index keys = logits.size(), members = std::isfinite(sink) ? keys + 1 : keys;
  Eigen::ArrayXd x(members);
  x.head(keys) = logits.transpose().array();
  if (members > keys) x[keys] = sink;
  x -= larger(out.max, sink);
  const Eigen::ArrayXd weights = x.exp();
  const double sum = weights.sum();
  out.below = -(weights * x).sum() / sum;
  out.deviation = std::sqrt((weights * (x + out.below).square()).sum() / sum);
  out.entropy = std::log(sum) + out.below;
  if (sees_first) out.sink = weights[0] / sum;
  return out;
}

}  // namespace

// A logit errs by at most `off`: d products, the scale, the slope and the cap. That moves a row's largest logit by
// `off`, its entropy by `off` times the mean deviation, and a weight by the relative size 2 `off`. Sums add `terms`
// roundings.
double attention_margin(const AttentionRows& rows, const SampledLogits& sampled, const LogitForm& form, Index head_dim,
                        double largest_key) {
  double worst = 0;
  const double unit = rows.rounding;
  for (std::size_t r = 0; r < sampled.positions.size(); ++r) {
    const Index i = sampled.positions[r], row = static_cast<Index>(r), first = form.visible.first_key(i);
    const Row exact = softmax_of(sampled.logits.row(row).segment(first, i + 1 - first), form.sink, first == 0);
    const double size = form.scale * std::sqrt(sampled.squared_queries[row]) * largest_key +
                        std::abs(form.alibi_slope) * static_cast<double>(i) + form.softcap.value_or(0);
    const double off = unit * (static_cast<double>(head_dim) + kOperations) * size;
    const double terms = unit * (static_cast<double>(i + 1) / kLanes + kOperations);
    // The difference from the sink's logit is rounded too; the logit itself is a float32 number.
    const double moved = off + (std::isfinite(form.sink) ? unit * std::abs(form.sink) : 0);
    const double spread = 2 * moved * exact.deviation + 2 * terms * (1 + exact.below) * (1 + exact.deviation);
    worst = larger(worst, std::abs(rows.max_logit[i] - exact.max) / (off + kTiny));
    worst = larger(worst, std::abs(rows.entropy[i] - exact.entropy) / spread);
    worst = larger(worst, std::abs(rows.sink[i] - exact.sink) /
                              (exact.sink * (4 * moved + 2 * terms * (1 + exact.below)) + kLeastWeight));
  }
  return worst;
}

}  // namespace logitfield::kernels
