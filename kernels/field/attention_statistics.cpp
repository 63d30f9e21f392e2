#include "kernels/field/attention_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace logitfield::kernels {
namespace {

using Logits = Eigen::Ref<const Eigen::RowVectorXd>;

/// Sets row i from its logits over the keys that it sees, and the sink's logit; sees_first: token 0 is among the keys.
/// `weights` is scratch.
void set_row(const Logits& visible, double sink, bool sees_first, Eigen::RowVectorXd& weights, Index i,
             AttentionRows& out) {
  const double max = visible.maxCoeff<Eigen::PropagateNaN>(), reference = larger(max, sink);
  auto w = weights.head(visible.size());
  w = (visible.array() - reference).exp();
  const double of_sink = std::exp(sink - reference), normaliser = w.sum() + of_sink;
  double mean = (w.array() * (visible.array() - reference)).sum();
  if (of_sink > 0) mean += of_sink * (sink - reference);  // 0 * -inf must not be formed
  out.max_logit[i] = max;
  out.entropy[i] = std::log(normaliser) - mean / normaliser;
  out.sink[i] = sees_first ? w[0] / normaliser : 0;
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

AttentionRows attention_rows(const MatrixFRef& queries, const MatrixRef& keys, const LogitForm& form, Index length) {
  AttentionRows out{Vector(length), Vector(length), Vector(length)};
  const bool plain = form.alibi_slope == 0 && !form.softcap;
  Matrix rows_of_tile, tile;
  Eigen::RowVectorXd weights(length);
  for (Index begin = 0; begin < length; begin += kAttentionTile) {
    const Index rows = std::min(kAttentionTile, length - begin);
    rows_of_tile = form.scale * queries.middleRows(begin, rows).cast<double>();
    const Index first_key = form.visible.first_key(begin);
    tile.noalias() = rows_of_tile * keys.middleRows(first_key, begin + rows - first_key).transpose();
    if (!plain) transform(form, begin, first_key, tile);
    for (Index r = 0; r < rows; ++r) {
      const Index i = begin + r, first = form.visible.first_key(i);
      set_row(tile.row(r).segment(first - first_key, i + 1 - first), form.sink, first == 0, weights, i, out);
    }
  }
  return out;
}

AttentionRows attention_rows(const RowAttention& rows, Index length) {
  return {rows.max_logit.head(length).cast<double>(), rows.entropy.head(length).cast<double>(),
          rows.sink.head(length).cast<double>(), std::numeric_limits<float>::epsilon()};
}

std::vector<AttentionStatistics> attention_statistics(const AttentionRows& rows,
                                                      std::span<const std::int64_t> contexts) {
  std::vector<AttentionStatistics> out;
  for (const std::int64_t n : contexts) {
    out.push_back({rows.max_logit.head(n).maxCoeff<Eigen::PropagateNaN>(), rows.entropy.head(n).mean(),
                   rows.sink.head(n).mean()});
  }
  return out;
}

void attach(const AttentionStatistics& attention, double margin, HeadStatistics& head) {
  if (!head.certificate.finite) return;
  head.attention = attention;
  head.certificate.attention_margin = margin;
  head.certificate.finite =
      std::isfinite(attention.max_logit) && std::isfinite(attention.entropy) && std::isfinite(attention.sink_first);
}

}  // namespace logitfield::kernels
