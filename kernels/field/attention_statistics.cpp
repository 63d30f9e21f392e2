#include "kernels/field/attention_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace logitfield::kernels::cpu {
namespace {

/// Rows of a tile: enough for products at full speed, few enough to waste little work above the diagonal.
constexpr Index kQueryRows = 64;
using Logits = Eigen::Ref<const Eigen::RowVectorXd>;

/// Sums over the rows so far, and the statistics at the end of each context. A row's softmax is the same in every
/// context that contains the row.
class RowSums {
 public:
  explicit RowSums(std::span<const std::int64_t> contexts) : contexts_(contexts) {}

  void add(double max_logit, double entropy, double sink) {
    max_logit_ = larger(max_logit_, max_logit);
    entropy_ += entropy;
    sink_ += sink;
    if (++rows_ != contexts_[out_.size()]) return;
    const double n = static_cast<double>(rows_);
    out_.push_back({max_logit_, entropy_ / n, sink_ / n});
  }
  std::vector<AttentionStatistics> take() { return std::move(out_); }

 private:
  std::span<const std::int64_t> contexts_;
  double max_logit_ = -std::numeric_limits<double>::infinity(), entropy_ = 0, sink_ = 0;
  std::int64_t rows_ = 0;
  std::vector<AttentionStatistics> out_;
};

/// Adds the softmax of one row over the keys that it sees; sees_first: token 0 is among them. `weights` is scratch.
void add_row(const Logits& visible, bool sees_first, Eigen::RowVectorXd& weights, RowSums& sums) {
  const double max = visible.maxCoeff<Eigen::PropagateNaN>();
  auto w = weights.head(visible.size());
  w = (visible.array() - max).exp();
  const double normaliser = w.sum();
  sums.add(max, std::log(normaliser) - (w.array() * (visible.array() - max)).sum() / normaliser,
           sees_first ? w[0] / normaliser : 0);
}

/// Turns scaled products of queries begin ... with keys first_key ... into logits.
void transform(const LogitForm& form, Index begin, Index first_key, Matrix& tile) {
  for (Index r = 0; r < tile.rows(); ++r) {
    for (Index c = 0; c < tile.cols() && first_key + c <= begin + r; ++c) {
      tile(r, c) = form.cap(tile(r, c) + form.alibi_slope * static_cast<double>(first_key + c - begin - r));
    }
  }
}

}  // namespace

std::vector<AttentionStatistics> attention_statistics(const MatrixFRef& queries, const MatrixRef& keys,
                                                      const LogitForm& form, std::span<const std::int64_t> contexts) {
  const Index length = contexts.back();
  RowSums sums(contexts);
  const bool plain = form.alibi_slope == 0 && !form.softcap;
  Matrix rows_of_tile, tile;
  Eigen::RowVectorXd weights(length);
  for (Index begin = 0; begin < length; begin += kQueryRows) {
    const Index rows = std::min(kQueryRows, length - begin);
    rows_of_tile = form.scale * queries.middleRows(begin, rows).cast<double>();
    const Index first_key = form.visible.first_key(begin);
    tile.noalias() = rows_of_tile * keys.middleRows(first_key, begin + rows - first_key).transpose();
    if (!plain) transform(form, begin, first_key, tile);
    for (Index r = 0; r < rows; ++r) {
      const Index first = form.visible.first_key(begin + r);
      add_row(tile.row(r).segment(first - first_key, begin + r + 1 - first), first == 0, weights, sums);
    }
  }
  return sums.take();
}

std::vector<AttentionStatistics> attention_statistics(const RowAttention& rows,
                                                      std::span<const std::int64_t> contexts) {
  RowSums sums(contexts);
  for (Index i = 0; i < contexts.back(); ++i) sums.add(rows.max_logit[i], rows.entropy[i], rows.sink[i]);
  return sums.take();
}

void attach(const AttentionStatistics& attention, HeadStatistics& head) {
  if (!head.certificate.finite) return;
  head.attention = attention;
  head.certificate.finite =
      std::isfinite(attention.max_logit) && std::isfinite(attention.entropy) && std::isfinite(attention.sink_first);
}

}  // namespace logitfield::kernels::cpu
