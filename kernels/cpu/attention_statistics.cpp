#include "kernels/cpu/attention_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace logitfield::kernels::cpu {
namespace {

/// Rows of a tile: enough for products at full speed, few enough to waste little above the diagonal.
constexpr Index kTileRows = 64;
using Logits = Eigen::Ref<const Eigen::RowVectorXd>;

/// Sums over the rows seen so far.
struct Running {
  double max_logit = -std::numeric_limits<double>::infinity();
  double entropy = 0, sink = 0;

  /// Adds the softmax of one row over the keys that it sees; `weights` is work space.
  void add(const Logits& visible, Eigen::RowVectorXd& weights) {
    const double max = visible.maxCoeff();
    auto w = weights.head(visible.size());
    w = (visible.array() - max).exp();
    const double normaliser = w.sum();
    max_logit = std::max(max_logit, max);
    entropy += std::log(normaliser) - (w.array() * (visible.array() - max)).sum() / normaliser;
    sink += w[0] / normaliser;
  }
};

/// Scaled products of queries begin ... with keys 0 ... to logits.
void transform(const LogitForm& form, Index begin, Matrix& tile) {
  for (Index r = 0; r < tile.rows(); ++r) {
    for (Index j = 0; j <= begin + r; ++j) {
      tile(r, j) = form.cap(tile(r, j) + form.alibi_slope * static_cast<double>(j - begin - r));
    }
  }
}

}  // namespace

std::vector<AttentionStatistics> attention_statistics(const MatrixFRef& queries, const MatrixRef& keys,
                                                      const LogitForm& form, std::span<const std::int64_t> contexts) {
  const Index length = contexts.back();
  Running sums;  // a row's softmax is the same in every context that holds the row
  std::vector<AttentionStatistics> out;
  const bool plain = form.alibi_slope == 0 && !form.softcap;
  Matrix rows_of_tile, tile;
  Eigen::RowVectorXd weights(length);
  for (Index begin = 0; begin < length; begin += kTileRows) {
    const Index rows = std::min(kTileRows, length - begin);
    rows_of_tile = form.scale * queries.middleRows(begin, rows).cast<double>();
    tile.noalias() = rows_of_tile * keys.topRows(begin + rows).transpose();
    if (!plain) transform(form, begin, tile);
    for (Index r = 0; r < rows; ++r) {
      const Index seen = begin + r + 1;
      sums.add(tile.row(r).head(seen), weights);
      if (seen != contexts[out.size()]) continue;
      const double n = static_cast<double>(seen);
      out.push_back({sums.max_logit, sums.entropy / n, sums.sink / n});
    }
  }
  return out;
}

}  // namespace logitfield::kernels::cpu
