#include "pipeline/weights.hpp"

namespace logitfield {
namespace {

using kernels::MatrixF;
using kernels::VectorF;

Slice scaled(const Slice& slice, std::int64_t factor) { return {slice.begin * factor, slice.end * factor}; }

/// A tensor and the rows of it that a shard needs, in the order in which they are stacked.
struct Part {
  const io::ExpectedTensor& tensor;
  Slice rows;
};

std::int64_t total_rows(std::span<const Part> parts) {
  std::int64_t rows = 0;
  for (const Part& part : parts) rows += part.rows.size();
  return rows;
}

void stack(const io::Checkpoint& checkpoint, std::span<const Part> parts, MatrixF& out) {
  const std::int64_t columns = parts[0].tensor.shape[1];
  out.resize(total_rows(parts), columns);
  float* target = out.data();
  for (const Part& part : parts) {
    const std::size_t size = static_cast<std::size_t>(part.rows.size() * columns);
    checkpoint.read(checkpoint.tensor(part.tensor.name), part.rows, {0, columns}, {target, size});
    target += size;
  }
}

VectorF read_vector(const io::Checkpoint& checkpoint, const io::ExpectedTensor& tensor, Slice rows) {
  VectorF out(rows.size());
  checkpoint.read(checkpoint.tensor(tensor.name), rows, {0, 1}, {out.data(), static_cast<std::size_t>(out.size())});
  return out;
}

VectorF read_whole(const io::Checkpoint& checkpoint, const io::ExpectedTensor& tensor) {
  return read_vector(checkpoint, tensor, {0, tensor.shape[0]});
}

/// Biases stacked as their weights are; empty where the model has none.
VectorF stack_biases(const io::Checkpoint& checkpoint,
                     std::initializer_list<std::pair<const std::optional<io::ExpectedTensor>&, Slice>> parts) {
  VectorF out;
  for (const auto& [tensor, rows] : parts) {
    if (!tensor) continue;
    out.conservativeResize(out.size() + rows.size());
    out.tail(rows.size()) = read_vector(checkpoint, *tensor, rows);
  }
  return out;
}

void read_columns(const io::Checkpoint& checkpoint, const io::ExpectedTensor& tensor, Slice columns, MatrixF& out) {
  out.resize(tensor.shape[0], columns.size());
  checkpoint.read(checkpoint.tensor(tensor.name), {0, tensor.shape[0]}, columns,
                  {out.data(), static_cast<std::size_t>(out.size())});
}

/// An output bias belongs to one shard, because the shards' outputs are summed.
VectorF read_once(const io::Checkpoint& checkpoint, const std::optional<io::ExpectedTensor>& tensor,
                  const Shard& shard) {
  return tensor && shard.first ? read_whole(checkpoint, *tensor) : VectorF();
}

}  // namespace

Shard shard_of(const Partition& partition, int rank) {
  const int s = partition.grid.shard_of(rank);
  return {partition.heads[s], partition.kv_heads[s], partition.mlp_rows[s], partition.vocabulary[s], s == 0};
}

kernels::BlockShape block_shape(const io::ModelConfig& config, const Shard& shard) {
  kernels::BlockShape shape;
  shape.hidden_size = config.hidden_size;
  shape.num_heads = shard.heads.size();
  shape.num_kv_heads = shard.kv_heads.size();
  shape.head_dim = config.head_dim;
  shape.intermediate_size = shard.mlp_rows.size();
  shape.norm_epsilon = config.norm_epsilon;
  shape.rope_theta = config.rope_theta;
  shape.sliding_window = config.sliding_window;
  return shape;
}

void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, kernels::LayerWeights& out) {
  const io::LayerTensors names = io::layer_tensors(checkpoint.config(), layer);
  const std::int64_t d = checkpoint.config().head_dim;
  const Slice query = scaled(shard.heads, d), key = scaled(shard.kv_heads, d), mlp = shard.mlp_rows;
  const Part qkv[] = {{names.query, query}, {names.key, key}, {names.value, key}};
  const Part gate_up[] = {{names.gate, mlp}, {names.up, mlp}};

  out.attention_norm = read_whole(checkpoint, names.attention_norm);
  out.mlp_norm = read_whole(checkpoint, names.mlp_norm);
  stack(checkpoint, qkv, out.qkv);
  out.qkv_bias = stack_biases(checkpoint, {{names.query_bias, query}, {names.key_bias, key}, {names.value_bias, key}});
  read_columns(checkpoint, names.output, query, out.output);
  out.output_bias = read_once(checkpoint, names.output_bias, shard);
  stack(checkpoint, gate_up, out.gate_up);
  out.gate_up_bias = stack_biases(checkpoint, {{names.gate_bias, mlp}, {names.up_bias, mlp}});
  read_columns(checkpoint, names.down, mlp, out.down);
  out.down_bias = read_once(checkpoint, names.down_bias, shard);
}

void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard) {
  const io::LayerTensors names = io::layer_tensors(checkpoint.config(), layer);
  const std::int64_t d = checkpoint.config().head_dim;
  const Slice query = scaled(shard.heads, d), key = scaled(shard.kv_heads, d);
  const Part parts[] = {{names.query, query},
                        {names.key, key},
                        {names.value, key},
                        {names.output, {0, names.output.shape[0]}},
                        {names.gate, shard.mlp_rows},
                        {names.up, shard.mlp_rows},
                        {names.down, {0, names.down.shape[0]}}};
  for (const Part& part : parts) checkpoint.prefetch(checkpoint.tensor(part.tensor.name), part.rows);
}

MatrixF embed(const io::Checkpoint& checkpoint, std::span<const std::int32_t> tokens) {
  const io::Tensor& embedding = checkpoint.input_embedding();
  const std::int64_t width = checkpoint.config().hidden_size;
  MatrixF out(tokens.size(), width);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    checkpoint.read(embedding, {tokens[i], tokens[i] + 1}, {0, width},
                    {out.row(i).data(), static_cast<std::size_t>(width)});
  }
  return out;
}

MatrixF load_output_rows(const io::Checkpoint& checkpoint, Slice rows) {
  const std::int64_t width = checkpoint.config().hidden_size;
  MatrixF out(rows.size(), width);
  checkpoint.read(checkpoint.output_embedding(), rows, {0, width}, {out.data(), static_cast<std::size_t>(out.size())});
  return out;
}

VectorF load_final_norm(const io::Checkpoint& checkpoint) {
  return read_whole(checkpoint, io::final_norm_tensor(checkpoint.config()));
}

}  // namespace logitfield
