#include "pipeline/embedding.hpp"

#include "pipeline/tensor_reading.hpp"

namespace logitfield {

using io::Slice;
using kernels::Linear;
using kernels::MatrixF;

namespace {

MatrixF read_matrix(const io::Checkpoint& checkpoint, const io::Tensor& tensor, Slice rows, std::int64_t columns) {
  MatrixF out(rows.size(), columns);
  checkpoint.read(tensor, rows, {0, columns}, {out.data(), static_cast<std::size_t>(out.size())});
  return out;
}

/// The whole map; weight of size 0 where there is none.
Linear read_map(const io::Checkpoint& checkpoint, const std::optional<io::LinearTensors>& map) {
  Linear out;
  if (map) read_rows(checkpoint, {{&*map, {0, map->outputs}}}, out);
  return out;
}

}  // namespace

MatrixF embed(const io::Checkpoint& checkpoint, const kernels::Backend& backend, std::span<const std::int32_t> tokens) {
  const io::ModelConfig& config = checkpoint.config();
  const io::Tensor& embedding = checkpoint.input_embedding();
  MatrixF out(tokens.size(), config.embedding_size);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    checkpoint.read(embedding, {tokens[i], tokens[i] + 1}, {0, config.embedding_size},
                    {out.row(i).data(), static_cast<std::size_t>(config.embedding_size)});
  }
  checkpoint.release(embedding);  // a row touches many pages around it
  if (config.embedding_scale != 1) out *= static_cast<float>(config.embedding_scale);
  const Linear projection = read_map(checkpoint, io::embedding_in_tensors(config));
  if (projection.weight.size() > 0) out = backend.linear(out, projection);
  if (const auto positions = io::position_embedding_tensor(config)) {
    const Slice rows{config.position_offset, config.position_offset + std::ssize(tokens)};
    out += read_matrix(checkpoint, checkpoint.tensor(positions->name), rows, config.hidden_size);
  }
  return backend.normalise(out, read_norm(checkpoint, io::embedding_norm_tensors(config)));
}

FinalStates::FinalStates(const io::Checkpoint& checkpoint)
    : norm_(read_norm(checkpoint, io::final_norm_tensors(checkpoint.config()))),
      projection_(read_map(checkpoint, io::embedding_out_tensors(checkpoint.config()))) {}

MatrixF FinalStates::apply(const kernels::Backend& backend, const MatrixF& hidden) const {
  MatrixF out = backend.normalise(hidden, norm_);
  return projection_.weight.size() > 0 ? backend.linear(out, projection_) : out;
}

Linear load_output_rows(const io::Checkpoint& checkpoint, Slice rows) {
  const io::ModelConfig& config = checkpoint.config();
  Linear out{read_matrix(checkpoint, checkpoint.output_embedding(), rows, config.embedding_size), {}};
  if (const auto bias = io::output_bias_tensor(config)) out.bias = read_vector(checkpoint, *bias, rows);
  return out;
}

}  // namespace logitfield
