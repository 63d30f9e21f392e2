#include "pipeline/forward/layer_weights.hpp"

#include "pipeline/forward/tensor_reading.hpp"

namespace logitfield {
namespace {

using io::MlpTensors;
using kernels::Precision;

/// Reads a shard's part of a map; for columns, the bias only if `with_bias`. A map that the layer lacks becomes empty.
void load_part(const io::Checkpoint& checkpoint, const MapPart& part, bool with_bias, Precision precision,
               kernels::Linear& out) {
  if (part.pieces.empty()) {
    out = {};
  } else if (part.by_columns) {
    read_columns(checkpoint, *part.pieces[0].map, part.pieces[0].rows, with_bias, precision, out);
  } else {
    read_rows(checkpoint, part.pieces, precision, out);
  }
}

void load_network(const io::Checkpoint& checkpoint, const MlpTensors& names, Slice rows, bool with_bias,
                  Precision precision, kernels::MlpWeights& out) {
  const NetworkPart part = part_of(names, rows);
  load_part(checkpoint, part.up, with_bias, precision, out.up);
  load_part(checkpoint, part.down, with_bias, precision, out.down);
}

/// Reads a norm. If each head has its own entries, reads only those of the shard's heads.
void load_norm(const io::Checkpoint& checkpoint, const std::optional<io::NormTensors>& tensors, const Shard& shard,
               kernels::Norm& out) {
  std::optional<Slice> part;
  if (tensors && tensors->heads != io::HeadKind::none) {
    const Slice heads = shard.heads_of(tensors->heads);
    part = Slice{heads.begin * checkpoint.config().head_dim, heads.end * checkpoint.config().head_dim};
  }
  out = read_norm(checkpoint, tensors, part);
}

/// Reads a router; empty if the layer has none.
void load_router(const io::Checkpoint& checkpoint, const std::optional<io::ExpectedTensor>& tensor,
                 kernels::MatrixF& out) {
  out.resize(tensor ? tensor->shape[0] : 0, tensor ? tensor->shape[1] : 0);
  if (tensor) checkpoint.weight(tensor->name).read({0, out.rows()}, {0, out.cols()}, kernels::as_span(out));
}

/// Reads a vector; empty if the layer has none.
void load_whole(const io::Checkpoint& checkpoint, const std::optional<io::ExpectedTensor>& tensor,
                kernels::VectorF& out) {
  out = tensor ? read_vector(checkpoint, *tensor, {0, tensor->shape[0]}) : kernels::VectorF();
}

/// Loads whole experts: a shard reads only its own.
void load_experts(const io::Checkpoint& checkpoint, const io::LayerTensors& names, const Shard& shard,
                  Precision precision, kernels::LayerWeights& out) {
  const Slice own = shard.part(std::ssize(names.experts));
  out.first_expert = own.begin;
  out.experts.resize(static_cast<std::size_t>(own.size()));
  for (std::int64_t e = own.begin; e < own.end; ++e) {
    const MlpTensors& expert = names.experts[static_cast<std::size_t>(e)];
    load_network(checkpoint, expert, {0, expert.up.outputs}, true, precision,
                 out.experts[static_cast<std::size_t>(e - own.begin)]);
  }
  load_router(checkpoint, names.router, out.router);
  load_router(checkpoint, names.shared_router, out.shared_router);
  load_whole(checkpoint, names.router_logit_bias, out.router_logit_bias);
  load_whole(checkpoint, names.router_bias, out.router_bias);
}

}  // namespace

kernels::BlockShape block_shape(const io::ModelConfig& config, std::int64_t layer, const Shard& shard,
                                std::vector<kernels::LogitForm> forms) {
  const io::LayerForm& form = config.layers[static_cast<std::size_t>(layer)];
  kernels::BlockShape shape;
  shape.hidden_size = config.hidden_size;
  shape.num_heads = shard.heads.size();
  shape.num_kv_heads = shard.kv_heads.size();
  shape.head_dim = config.head_dim;
  shape.value_dim = config.value_dim;
  shape.forms = std::move(forms);
  if (form.rotary >= 0) shape.rotary = config.rotaries[static_cast<std::size_t>(form.rotary)];
  if (config.clip_qkv) shape.clip = static_cast<float>(*config.clip_qkv);
  shape.query_scale = static_cast<float>(form.query_scale);
  shape.norm_after_rotation = config.head_norm_after_rotation;
  if (config.head_norm_over_all) {
    shape.query_norm_columns = config.num_heads * config.head_dim;
    shape.key_norm_columns = config.num_kv_heads * config.head_dim;
  }
  shape.latent_size = config.latent ? config.latent->key_value_size : 0;
  shape.parallel = config.parallel;
  shape.activation = config.activation;
  shape.gated = config.gated;
  shape.clamped_gate = config.clamped_gate;
  if (form.routed) shape.routing = config.routing;
  return shape;
}

void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, Precision precision,
                kernels::LayerWeights& out) {
  const io::LayerTensors names = io::layer_tensors(checkpoint.config(), layer);
  io::visit_norms([&](const auto& from, kernels::Norm& to) { load_norm(checkpoint, from, shard, to); }, names, out);
  io::visit_maps(
      [&](const auto& from, kernels::Linear& to) {
        load_part(checkpoint, part_of(from, checkpoint.config(), shard), shard.first(), precision, to);
      },
      names, out);
  if (names.mlp) {
    load_network(checkpoint, *names.mlp, shard.part(names.mlp->up.outputs), shard.first(), precision, out.mlp);
  } else {
    out.mlp = {};
  }
  load_experts(checkpoint, names, shard, precision, out);
}

void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard) {
  const io::LayerTensors names = io::layer_tensors(checkpoint.config(), layer);
  visit_parts(names, checkpoint.config(), shard, [&](const MapPart& part) {
    for (const MapRows& piece : part.pieces) {
      const io::StoredWeight& weight = checkpoint.weight(piece.map->weight.name);
      const Slice some = piece.map->span_of(piece.rows);
      if (part.by_columns == piece.map->transposed) {
        weight.prefetch(some, {0, weight.num_columns()});
      } else {
        weight.prefetch({0, weight.num_rows()}, some);
      }
    }
  });
}

}  // namespace logitfield
