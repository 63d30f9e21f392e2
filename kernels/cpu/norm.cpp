#include "kernels/cpu/norm.hpp"

#include <cmath>
#include <stdexcept>

#include "kernels/cpu/row_sum.hpp"

namespace logitfield::kernels::cpu {
namespace {

void normalise_row(const Norm& norm, const VectorF& gain, Eigen::Ref<Eigen::RowVectorXf> row) {
  const std::span<const float> values(row.data(), static_cast<std::size_t>(row.size()));
  const double columns = static_cast<double>(row.size());
  const double mean = norm.centred ? row_sum(values, [](double x) { return x; }) / columns : 0;
  const double square = row_sum(values, [=](double x) { return (x - mean) * (x - mean); }) / columns;
  const double factor = 1 / std::sqrt(square + norm.epsilon);
  row = ((row.cast<double>().array() - mean) * factor).cast<float>().matrix();
  if (gain.size() > 0) row.array() *= gain.transpose().array();
  if (norm.bias.size() > 0) row += norm.bias.transpose();
}

void normalise_over_all_heads(const Norm& norm, Index length, Index columns, const Team& shards, MatrixF& heads) {
  if (norm.centred) throw std::invalid_argument("a norm over all heads must not be centred");
  const Index count = heads.rows() / length, d = heads.cols();
  Vector square = Vector::Zero(length);
  for (Index h = 0; h < count; ++h) {
    square += heads.middleRows(h * length, length).cast<double>().rowwise().squaredNorm();
  }
  shards.sum({square.data(), static_cast<std::size_t>(length)});
  const VectorF factor = (square.array() / static_cast<double>(columns) + norm.epsilon).rsqrt().cast<float>();
  for (Index h = 0; h < count; ++h) {
    auto head = heads.middleRows(h * length, length);
    head.array().colwise() *= factor.array();
    if (norm.gain.size() > 0) head.array().rowwise() *= norm.gain.segment(h * d, d).transpose().array();
  }
}

}  // namespace

MatrixF normalised(const MatrixFRef& rows, const Norm& norm) {
  MatrixF out = rows;
  if (!norm.present) return out;
  for (Index i = 0; i < out.rows(); ++i) normalise_row(norm, norm.gain, out.row(i));
  return out;
}

void normalise_heads(const Norm& norm, Index length, Index columns, const Team& shards, MatrixF& heads) {
  if (!norm.present) return;
  if (columns > 0) return normalise_over_all_heads(norm, length, columns, shards, heads);
  const Index d = heads.cols();
  const bool shared = norm.gain.size() <= d;
  VectorF gain = shared ? norm.gain : VectorF();
  for (Index row = 0; row < heads.rows(); ++row) {
    if (!shared && row % length == 0) gain = norm.gain.segment(row / length * d, d);
    normalise_row(norm, gain, heads.row(row));
  }
}

}  // namespace logitfield::kernels::cpu
