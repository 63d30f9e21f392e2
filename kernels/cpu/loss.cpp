#include "kernels/cpu/loss.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/row_sum.hpp"

namespace logitfield::kernels::cpu {

void add_loss(const MatrixF& logits, Index first_token, std::span<const std::int32_t> targets, LossPart& loss) {
  const Index positions = static_cast<Index>(targets.size());
  Eigen::RowVectorXf weights(logits.cols());
  for (Index i = 0; i < positions; ++i) {
    const double max = std::max<double>(loss.max[i], logits.row(i).maxCoeff());
    weights = (logits.row(i).array() - static_cast<float>(max)).exp();
    const double added = row_sum(as_span(weights), [](double x) { return x; });
    loss.sum[i] = loss.sum[i] * std::exp(loss.max[i] - max) + added;
    loss.max[i] = max;
    const Index column = targets[i] - first_token;
    if (column >= 0 && column < logits.cols()) loss.target[i] = logits(i, column);
  }
}

}  // namespace logitfield::kernels::cpu
