#include "pipeline/forward/tensor_reading.hpp"

namespace logitfield {

using io::Slice;
using kernels::Linear;
using kernels::Precision;
using kernels::RowMajor;
using kernels::VectorF;
using kernels::WeightMatrix;

namespace {

/// Destination types of io: float32 numbers, or the bits of bfloat16 numbers.
std::span<float> numbers(float* values, kernels::Index count) { return {values, static_cast<std::size_t>(count)}; }
std::span<std::uint16_t> numbers(Eigen::bfloat16* values, kernels::Index count) {
  return {&values->value, static_cast<std::size_t>(count)};
}

/// Calls fill(matrix) for a matrix [rows, columns] in the operand type of a precision.
template <class Fill>
void fill_weights(Precision precision, std::int64_t rows, std::int64_t columns, WeightMatrix& out, const Fill& fill) {
  if (precision == Precision::bf16) {
    fill(out.reset<Eigen::bfloat16>(rows, columns));
  } else {
    fill(out.reset<float>(rows, columns));
  }
}

/// Rows and columns of a map, in either orientation of its file; rows count from the map's first.
template <class Scalar>
void read_block(const io::Checkpoint& checkpoint, const io::LinearTensors& map, Slice rows, Slice columns,
                Eigen::Ref<RowMajor<Scalar>> out) {
  const io::StoredWeight& weight = checkpoint.weight(map.weight.name);
  const Slice stored = map.span_of(rows);
  if (!map.transposed && map.step == 1) {
    weight.read(stored, columns, numbers(out.data(), out.size()));
    return;
  }
  const auto every = Eigen::seqN(0, rows.size(), map.step);
  RowMajor<Scalar> read(map.transposed ? columns.size() : stored.size(),
                        map.transposed ? stored.size() : columns.size());
  if (map.transposed) {
    weight.read(columns, stored, numbers(read.data(), read.size()));
    out = read(Eigen::all, every).transpose();
  } else {
    weight.read(stored, columns, numbers(read.data(), read.size()));
    out = read(every, Eigen::all);
  }
}

VectorF stacked(const io::Checkpoint& checkpoint, const std::vector<io::ExpectedTensor>& tensors) {
  VectorF out;
  for (const io::ExpectedTensor& tensor : tensors) {
    const std::int64_t rows = tensor.shape[0], columns = tensor.shape.size() > 1 ? tensor.shape[1] : 1;
    VectorF one(rows * columns);
    checkpoint.weight(tensor.name).read({0, rows}, {0, columns}, kernels::as_span(one));
    out.conservativeResize(out.size() + one.size());
    out.tail(one.size()) = one;
  }
  return out;
}

}  // namespace

void read_rows(const io::Checkpoint& checkpoint, const std::vector<MapRows>& parts, Precision precision, Linear& out) {
  std::int64_t total = 0;
  for (const MapRows& part : parts) total += part.rows.size();
  fill_weights(
      precision, total, parts.empty() ? 0 : parts[0].map->inputs, out.weight,
      [&]<class Scalar>(RowMajor<Scalar>& weight) {
        std::int64_t row = 0;
        for (const MapRows& part : parts) {
          const std::int64_t count = part.rows.size();
          read_block<Scalar>(checkpoint, *part.map, part.rows, {0, part.map->inputs}, weight.middleRows(row, count));
          row += count;
        }
      });
  const bool has_bias = !parts.empty() && parts[0].map->bias.has_value();
  out.bias.resize(has_bias ? total : 0);
  if (!has_bias) return;
  std::int64_t row = 0;
  for (const MapRows& part : parts) {
    const VectorF span = read_vector(checkpoint, *part.map->bias, part.map->span_of(part.rows));
    out.bias.segment(row, part.rows.size()) = span(Eigen::seqN(0, part.rows.size(), part.map->step));
    row += part.rows.size();
  }
}

void read_columns(const io::Checkpoint& checkpoint, const io::LinearTensors& map, Slice columns, bool with_bias,
                  Precision precision, Linear& out) {
  fill_weights(precision, map.outputs, columns.size(), out.weight, [&]<class Scalar>(RowMajor<Scalar>& weight) {
    read_block<Scalar>(checkpoint, map, {0, map.outputs}, columns, weight);
  });
  out.bias = with_bias && map.bias ? read_vector(checkpoint, *map.bias, {0, map.outputs}) : VectorF();
}

WeightMatrix read_matrix(const io::StoredWeight& matrix, Slice rows, Precision precision) {
  WeightMatrix out;
  const Slice columns{0, matrix.num_columns()};
  fill_weights(precision, rows.size(), columns.size(), out,
               [&](auto& weight) { matrix.read(rows, columns, numbers(weight.data(), weight.size())); });
  return out;
}

VectorF read_vector(const io::Checkpoint& checkpoint, const io::ExpectedTensor& tensor, Slice rows) {
  VectorF out(rows.size());
  checkpoint.weight(tensor.name).read(rows, {0, 1}, kernels::as_span(out));
  return out;
}

kernels::Norm read_norm(const io::Checkpoint& checkpoint, const std::optional<io::NormTensors>& tensors,
                        std::optional<Slice> part) {
  kernels::Norm out;
  if (!tensors) return out;
  out.present = true;
  out.centred = tensors->form.centred;
  out.epsilon = tensors->form.epsilon;
  out.gain = stacked(checkpoint, tensors->gain);
  out.gain.array() += static_cast<float>(tensors->form.gain_offset);
  out.bias = stacked(checkpoint, tensors->bias);
  if (part && out.gain.size() > 0) out.gain = out.gain.segment(part->begin, part->size()).eval();
  return out;
}

}  // namespace logitfield
