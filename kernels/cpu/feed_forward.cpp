#include "kernels/cpu/feed_forward.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/block_cost.hpp"
#include "kernels/cpu/product.hpp"

namespace logitfield::kernels::cpu {
namespace {

using ArrayRef = Eigen::Ref<Eigen::Array<float, 1, Eigen::Dynamic>>;

void activate(io::Activation activation, ArrayRef x) {
  switch (activation) {
    case io::Activation::silu:
      x = x / (1 + (-x).exp());
      return;
    case io::Activation::relu:
      x = x.max(0.F);
      return;
    case io::Activation::relu_squared:
      x = x.max(0.F).square();
      return;
    case io::Activation::gelu_tanh: {
      const float factor = static_cast<float>(std::sqrt(2 / std::numbers::pi));
      x = 0.5F * x * (1 + (factor * (x + 0.044715F * x.cube())).tanh());
      return;
    }
    case io::Activation::gelu:
      x = x.unaryExpr([](float v) { return 0.5F * v * (1 + std::erf(v * (1 / std::numbers::sqrt2_v<float>))); });
      return;
  }
}

/// x within the limits; a NaN stays.
template <class Expression>
auto clamped(const Expression& x, float least, float most) {
  return x.unaryExpr([=](float v) { return v < least ? least : v > most ? most : v; });
}

/// The output of a clamped gate for one row that holds gate and up side by side.
void apply(const io::ClampedGate& form, const Eigen::Ref<const Eigen::Array<float, 1, Eigen::Dynamic>>& row,
           ArrayRef out) {
  const auto limit = static_cast<float>(form.limit), alpha = static_cast<float>(form.alpha);
  const Index width = out.size();
  out = clamped(row.head(width), -std::numeric_limits<float>::infinity(), limit);
  out = out / (1 + (-alpha * out).exp()) * (clamped(row.tail(width), -limit, limit) + 1);
}

/// act(gate) * up for rows that hold gate and up side by side; act(row) without a gate.
MatrixF activated(const BlockShape& shape, const MatrixF& projected) {
  const Index width = shape.gated ? projected.cols() / 2 : projected.cols();
  MatrixF out(projected.rows(), width);
  for (Index i = 0; i < projected.rows(); ++i) {
    if (shape.clamped_gate) {
      apply(*shape.clamped_gate, projected.row(i).array(), out.row(i).array());
      continue;
    }
    out.row(i) = projected.row(i).head(width);
    activate(shape.activation, out.row(i).array());
    if (shape.gated) out.row(i).array() *= projected.row(i).tail(width).array();
  }
  return out;
}

}  // namespace

MatrixF linear(const MatrixFRef& x, const Linear& map) {
  MatrixF y;
  map.weight.visit(
      [&]<class Scalar>(const RowMajor<Scalar>& w) { multiply_transposed(x.template cast<Scalar>(), w, y); });
  if (map.bias.size() > 0) y.rowwise() += map.bias.transpose();
  return y;
}

MatrixF feed_forward(const BlockShape& shape, const MlpWeights& weights, const MatrixFRef& rows) {
  MatrixF out = MatrixF::Zero(rows.rows(), shape.hidden_size);
  if (weights.up.weight.size() == 0) return out;
  for (Index first = 0; first < rows.rows(); first += kFeedForwardRows) {
    const Index count = std::min(kFeedForwardRows, rows.rows() - first);
    out.middleRows(first, count) =
        linear(activated(shape, linear(rows.middleRows(first, count), weights.up)), weights.down);
  }
  return out;
}

}  // namespace logitfield::kernels::cpu
