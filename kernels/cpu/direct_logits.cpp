#include "kernels/cpu/direct_logits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace logitfield::kernels::cpu {
namespace {

/// Rows of a tile: enough for products at full speed, few enough for a tile to stay near the core.
constexpr Index kTileRows = 128;
using Logits = Eigen::Ref<const Eigen::RowVectorXd>;

/// Sums over the rows seen so far of one context.
struct Running {
  double max_logit = -std::numeric_limits<double>::infinity();
  double entropy = 0, sink = 0;
  double residual = 0, margin = 0;
};

/// Adds one row of the causal softmax, over the keys that it sees; `weights` is work space.
void add_attention(const Logits& visible, Eigen::RowVectorXd& weights, Running& sums) {
  const double max = visible.maxCoeff();
  auto w = weights.head(visible.size());
  w = (visible.array() - max).exp();
  const double normaliser = w.sum();
  sums.max_logit = std::max(sums.max_logit, max);
  sums.entropy += std::log(normaliser) - (w.array() * (visible.array() - max)).sum() / normaliser;
  sums.sink += w[0] / normaliser;
}

/// Centres one row over all its keys and holds its sum against what rounding can make of zero: with n terms and unit
/// round-off u, the mean errs by at most n u mean|S| (times n keys; mean|S| <= |mean S| + mean|E|), the sum by n u
/// sum|E|, each subtraction by u |E|.
void add_zero_sum(const Logits& row, Running& sums) {
  const double n = static_cast<double>(row.size());
  const double unit = std::numeric_limits<double>::epsilon() / 2;
  const double mean = row.mean();
  const double total = std::abs((row.array() - mean).sum());
  const double absolute = (row.array() - mean).abs().sum();
  const double bound = unit * (n * n * std::abs(mean) + (2 * n + 1) * absolute);
  if (total == 0) return;
  // std::max would drop a NaN; a NaN here must reach the certificate.
  const double residual = absolute > 0 ? total / absolute : total;
  sums.residual = residual > sums.residual || std::isnan(residual) ? residual : sums.residual;
  const double margin = total / bound;
  sums.margin = margin > sums.margin || std::isnan(margin) ? margin : sums.margin;
}

}  // namespace

std::vector<DirectMeasurement> measure_direct_logits(const MatrixRef& queries, const MatrixRef& keys, double scale,
                                                     std::span<const std::int64_t> contexts) {
  const Index length = contexts.back();
  Running attention;  // a row's softmax is the same in every context that holds the row
  std::vector<Running> zero_sum(contexts.size());
  std::vector<DirectMeasurement> out(contexts.size());
  Matrix tile;
  Eigen::RowVectorXd weights(length);
  for (Index begin = 0; begin < length; begin += kTileRows) {
    const Index rows = std::min(kTileRows, length - begin);
    tile.noalias() = scale * queries.middleRows(begin, rows) * keys.topRows(length).transpose();
    for (Index r = 0; r < rows; ++r) {
      const Index position = begin + r;
      add_attention(tile.row(r).head(position + 1), weights, attention);
      for (std::size_t c = 0; c < contexts.size(); ++c) {
        if (position >= contexts[c]) continue;
        add_zero_sum(tile.row(r).head(contexts[c]), zero_sum[c]);
        if (position + 1 < contexts[c]) continue;
        const double n = static_cast<double>(contexts[c]);
        out[c] = {
            {attention.max_logit, attention.entropy / n, attention.sink / n}, zero_sum[c].residual, zero_sum[c].margin};
      }
    }
  }
  return out;
}

}  // namespace logitfield::kernels::cpu
