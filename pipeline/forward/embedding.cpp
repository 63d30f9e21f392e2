#include "pipeline/forward/embedding.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "pipeline/forward/tensor_reading.hpp"

namespace logitfield {

using io::Slice;
using kernels::Activations;
using kernels::Linear;
using kernels::LoadedLinear;
using kernels::MatrixF;

namespace {

/// Loads the whole map; null if there is none.
std::unique_ptr<LoadedLinear> load_map(const io::Checkpoint& checkpoint, const kernels::Backend& backend,
                                       const std::optional<io::LinearTensors>& map) {
  if (!map) return nullptr;
  Linear out;
  read_rows(checkpoint, {{&*map, {0, map->outputs}}}, backend.precision(), out);
  return backend.load(std::move(out));
}

/// Reads rows of the embedding, by token. Reads rows that lie close together at once, since data is compared with its
/// first reading in whole blocks.
MatrixF embedding_rows(const io::StoredWeight& embedding, std::span<const std::int32_t> tokens) {
  constexpr std::int64_t kNumbersTogether = 1 << 17;
  const std::int64_t width = embedding.num_columns(), together = std::max<std::int64_t>(1, kNumbersTogether / width);
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return tokens[i]; });
  MatrixF rows(tokens.size(), width);
  for (auto begin = order.begin(); begin != order.end();) {
    const std::int64_t first = tokens[*begin];
    const auto end = std::find_if(begin, order.end(), [&](std::size_t i) { return tokens[i] >= first + together; });
    MatrixF read(tokens[*std::prev(end)] + 1 - first, width);
    embedding.read({first, first + read.rows()}, {0, width}, kernels::as_span(read));
    for (; begin != end; ++begin) rows.row(kernels::Index(*begin)) = read.row(tokens[*begin] - first);
  }
  embedding.release();  // reading a row has loaded many pages around it
  return rows;
}

/// Returns the sines and cosines of `count` positions, by angles in float32 as in transformers.
MatrixF sinusoids(const io::ModelConfig& config, std::int64_t count) {
  const std::int64_t half = config.hidden_size / 2;
  MatrixF out = MatrixF::Zero(count, config.hidden_size);
  for (std::int64_t k = 0; k < half; ++k) {
    const auto step = static_cast<float>(std::log(10000.0) / static_cast<double>(half - 1));
    const float frequency = std::exp(static_cast<float>(k) * -step);
    for (std::int64_t i = 0; i < count; ++i) {
      const double angle = static_cast<float>(config.position_offset + i) * frequency;
      out(i, k) = static_cast<float>(std::sin(angle));
      out(i, half + k) = static_cast<float>(std::cos(angle));
    }
  }
  return out;
}

/// Reads the final norm; it also scales the logits.
kernels::Norm final_norm(const io::Checkpoint& checkpoint) {
  const io::ModelConfig& config = checkpoint.config();
  kernels::Norm norm = read_norm(checkpoint, io::final_norm_tensors(config));
  if (config.output_scale == 1) return norm;
  if (norm.gain.size() == 0) norm.gain = kernels::VectorF::Ones(config.hidden_size);
  norm.gain *= static_cast<float>(config.output_scale);
  norm.bias *= static_cast<float>(config.output_scale);
  return norm;
}

}  // namespace

std::unique_ptr<Activations> embed(const io::Checkpoint& checkpoint, const kernels::Backend& backend,
                                   std::span<const std::int32_t> tokens) {
  const io::ModelConfig& config = checkpoint.config();
  MatrixF rows = embedding_rows(checkpoint.input_embedding(), tokens);
  if (config.embedding_scale != 1) rows *= static_cast<float>(config.embedding_scale);
  std::unique_ptr<Activations> out = backend.upload(std::move(rows));
  const auto projection = load_map(checkpoint, backend, io::embedding_in_tensors(config));
  if (projection) out = backend.linear(*out, *projection);
  if (const auto positions = io::position_embedding_tensor(config)) {
    const Slice used{config.position_offset, config.position_offset + std::ssize(tokens)};
    MatrixF added(used.size(), config.hidden_size);
    checkpoint.weight(positions->name).read(used, {0, config.hidden_size}, kernels::as_span(added));
    backend.add(*backend.upload(std::move(added)), *out);
  }
  if (config.sinusoidal_positions) backend.add(*backend.upload(sinusoids(config, std::ssize(tokens))), *out);
  backend.normalise(read_norm(checkpoint, io::embedding_norm_tensors(config)), *out);
  return out;
}

FinalStates::FinalStates(const io::Checkpoint& checkpoint, const kernels::Backend& backend)
    : norm_(final_norm(checkpoint)),
      projection_(load_map(checkpoint, backend, io::embedding_out_tensors(checkpoint.config()))) {}

std::unique_ptr<Activations> FinalStates::apply(const kernels::Backend& backend,
                                                std::unique_ptr<Activations> hidden) const {
  backend.normalise(norm_, *hidden);
  return projection_ ? backend.linear(*hidden, *projection_) : std::move(hidden);
}

Linear load_output_rows(const io::Checkpoint& checkpoint, Slice rows, kernels::Precision precision) {
  Linear out{read_matrix(checkpoint.output_embedding(), rows, precision), {}};
  if (const auto bias = io::output_bias_tensor(checkpoint.config())) out.bias = read_vector(checkpoint, *bias, rows);
  return out;
}

}  // namespace logitfield
