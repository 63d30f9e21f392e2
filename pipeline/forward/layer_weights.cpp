#include "pipeline/forward/layer_weights.hpp"

#include "pipeline/forward/tensor_reading.hpp"
#include "pipeline/job/logit_forms.hpp"

namespace logitfield {
namespace {

using io::LinearTensors;
using io::MlpTensors;
using kernels::Precision;

void load_mlp(const io::Checkpoint& checkpoint, const MlpTensors& names, Slice rows, bool with_bias,
              Precision precision, kernels::MlpWeights& out) {
  read_rows(checkpoint, input_rows(names, rows), precision, out.up);
  read_columns(checkpoint, names.down, rows, with_bias, precision, out.down);
}

void load_whole(const io::Checkpoint& checkpoint, const std::optional<LinearTensors>& names, Precision precision,
                kernels::Linear& out) {
  if (names) read_rows(checkpoint, {{&*names, {0, names->outputs}}}, precision, out);
}

void load_norms(const io::Checkpoint& checkpoint, const io::LayerTensors& names, const Shard& shard,
                kernels::LayerWeights& out) {
  const std::int64_t d = checkpoint.config().head_dim;
  const auto part = [&](const std::optional<io::NormTensors>& norm, Slice heads) -> std::optional<Slice> {
    if (!norm || norm->gain.empty()) return std::nullopt;
    const bool one_for_all =
        norm->gain.size() == 1 && norm->gain[0].shape[0] == d && !checkpoint.config().head_norm_over_all;
    if (one_for_all) return std::nullopt;
    return Slice{heads.begin * d, heads.end * d};
  };
  out.attention_norm = read_norm(checkpoint, names.attention_norm);
  out.attention_output_norm = read_norm(checkpoint, names.attention_output_norm);
  out.attention_residual_norm = read_norm(checkpoint, names.attention_residual_norm);
  out.mlp_norm = read_norm(checkpoint, names.mlp_norm);
  out.mlp_output_norm = read_norm(checkpoint, names.mlp_output_norm);
  out.mlp_residual_norm = read_norm(checkpoint, names.mlp_residual_norm);
  out.query_norm = read_norm(checkpoint, names.query_norm, part(names.query_norm, shard.heads));
  out.key_norm = read_norm(checkpoint, names.key_norm, part(names.key_norm, shard.kv_heads));
  out.latent_query_norm = read_norm(checkpoint, names.latent_query_norm);
  out.latent_norm = read_norm(checkpoint, names.latent_norm);
}

/// Loads whole experts: a shard reads only its own.
void load_experts(const io::Checkpoint& checkpoint, const io::LayerTensors& names, const Shard& shard,
                  Precision precision, kernels::LayerWeights& out) {
  const Slice own = shard.part(std::ssize(names.experts));
  out.first_expert = own.begin;
  out.experts.resize(static_cast<std::size_t>(own.size()));
  for (std::int64_t e = own.begin; e < own.end; ++e) {
    const MlpTensors& expert = names.experts[static_cast<std::size_t>(e)];
    load_mlp(checkpoint, expert, {0, expert.up.outputs}, true, precision,
             out.experts[static_cast<std::size_t>(e - own.begin)]);
  }
  out.router.resize(0, 0);
  out.router_bias.resize(0);
  if (!names.router) return;
  const std::int64_t columns = names.router->shape[1];
  out.router.resize(names.router->shape[0], columns);
  checkpoint.weight(names.router->name).read({0, names.router->shape[0]}, {0, columns}, kernels::as_span(out.router));
  if (names.router_bias) {
    out.router_bias = read_vector(checkpoint, *names.router_bias, {0, names.router_bias->shape[0]});
  }
}

}  // namespace

kernels::BlockShape block_shape(const io::ModelConfig& config, std::int64_t layer, const Shard& shard) {
  const io::LayerForm& form = config.layers[static_cast<std::size_t>(layer)];
  kernels::BlockShape shape;
  shape.hidden_size = config.hidden_size;
  shape.num_heads = shard.heads.size();
  shape.num_kv_heads = shard.kv_heads.size();
  shape.head_dim = config.head_dim;
  shape.value_dim = config.value_dim;
  for (std::int64_t h = shard.heads.begin; h < shard.heads.end; ++h) {
    shape.forms.push_back(logit_form(config, h));
    shape.forms.back().visible = visible_keys(config, layer);
  }
  if (form.rotary >= 0) shape.rotary = config.rotaries[static_cast<std::size_t>(form.rotary)];
  if (config.clip_qkv) shape.clip = static_cast<float>(*config.clip_qkv);
  shape.query_scale = static_cast<float>(form.query_scale);
  if (config.head_norm_over_all) {
    shape.query_norm_columns = config.num_heads * config.head_dim;
    shape.key_norm_columns = config.num_kv_heads * config.head_dim;
  }
  shape.latent_size = config.latent ? config.latent->key_value_size : 0;
  shape.parallel = config.parallel;
  shape.activation = config.activation;
  shape.gated = config.gated;
  if (form.routed) shape.routing = config.routing;
  return shape;
}

void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, Precision precision,
                kernels::LayerWeights& out) {
  const io::LayerTensors names = io::layer_tensors(checkpoint.config(), layer);
  load_norms(checkpoint, names, shard, out);
  read_rows(checkpoint, head_rows(names, shard), precision, out.qkv);
  load_whole(checkpoint, names.query_down, precision, out.query_down);
  load_whole(checkpoint, names.key_value_down, precision, out.key_value_down);
  if (names.key_value_up)
    read_rows(checkpoint, rows_of_heads(*names.key_value_up, shard.heads), precision, out.key_value_up);
  read_columns(checkpoint, names.output, value_columns(shard, checkpoint.config()), shard.first(), precision,
               out.output);
  if (names.mlp) {
    load_mlp(checkpoint, *names.mlp, shard.part(names.mlp->up.outputs), shard.first(), precision, out.mlp);
  } else {
    out.mlp = {};
  }
  load_experts(checkpoint, names, shard, precision, out);
}

void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard) {
  const io::LayerTensors names = io::layer_tensors(checkpoint.config(), layer);
  const LayerPart part = part_of(names, checkpoint.config(), shard);
  const auto prefetch = [&](const MapRows& rows, bool stored_as_rows) {
    const io::StoredWeight& weight = checkpoint.weight(rows.map->weight.name);
    const Slice some{rows.map->first + rows.rows.begin, rows.map->first + rows.rows.end};
    if (stored_as_rows) {
      weight.prefetch(some, {0, weight.num_columns()});
    } else {
      weight.prefetch({0, weight.num_rows()}, some);
    }
  };
  for (const MapRows& rows : part.by_rows) prefetch(rows, !rows.map->transposed);
  for (const MapRows& columns : part.by_columns) prefetch(columns, columns.map->transposed);
}

}  // namespace logitfield
