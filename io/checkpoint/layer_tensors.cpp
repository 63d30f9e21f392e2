#include "io/checkpoint/layer_tensors.hpp"

#include <charconv>
#include <set>

namespace logitfield::io {
namespace {

/// Returns `pattern` with `number` in place of {}.
std::string numbered(std::string pattern, std::int64_t number) {
  const std::size_t place = pattern.find("{}");
  return place == std::string::npos ? pattern : pattern.replace(place, 2, std::to_string(number));
}

/// A `name` with {} means one norm for each of `heads` heads; a name without {} means one norm for all.
std::optional<NormTensors> norm(const NormForm& form, const std::string& name, std::int64_t size,
                                std::int64_t heads = 1) {
  NormTensors out{form, {}, {}};
  const std::int64_t count = name.find("{}") == std::string::npos ? 1 : heads;
  for (std::int64_t h = 0; h < count; ++h) {
    if (form.has_gain) out.gain.push_back({numbered(name, h) + ".weight", {size}});
    if (form.has_bias) out.bias.push_back({numbered(name, h) + ".bias", {size}});
  }
  return out;
}

/// What follows the name of a map in the names of its tensors.
struct Endings {
  std::string weight = ".weight", bias = ".bias";
};

LinearTensors linear(const std::string& name, std::int64_t outputs, std::int64_t inputs, bool has_bias,
                     bool transposed = false, const Endings& endings = {}) {
  LinearTensors out;
  out.weight = {name + endings.weight, {outputs, inputs}};
  if (transposed) std::swap(out.weight.shape[0], out.weight.shape[1]);
  if (has_bias) out.bias = ExpectedTensor{name + endings.bias, {outputs}};
  out.transposed = transposed;
  out.inputs = inputs;
  out.outputs = outputs;
  return out;
}

/// Builds the tensors of one layer; adds the layer's prefix to names.
class Builder {
 public:
  Builder(const ModelConfig& config, std::int64_t layer)
      : c_(config),
        n_(config.names),
        form_(config.layers[static_cast<std::size_t>(layer)]),
        prefix_(numbered(n_.layer, layer)) {}

  LayerTensors build() {
    LayerTensors out;
    out.attention_norm = layer_norm(n_.attention_norm);
    out.attention_output_norm = layer_norm(n_.attention_output_norm);
    out.attention_residual_norm = layer_norm(n_.attention_residual_norm);
    out.mlp_norm = layer_norm(n_.mlp_norm);
    out.mlp_output_norm = layer_norm(n_.mlp_output_norm);
    out.mlp_residual_norm = layer_norm(n_.mlp_residual_norm);
    out.query_norm = head_norm(n_.query_norm, c_.num_heads, HeadKind::query);
    out.key_norm = head_norm(n_.key_norm, c_.num_kv_heads, HeadKind::key_value);
    if (c_.latent) {
      add_latent_heads(out);
    } else {
      add_heads(out);
    }
    out.output = linear(prefix_ + n_.attention_output, c_.hidden_size, c_.num_heads * c_.value_dim,
                        c_.attention_output_bias, n_.transposed);
    if (!n_.sinks.empty()) out.sinks = ExpectedTensor{prefix_ + n_.sinks, {c_.num_heads}};
    add_mlp(out);
    return out;
  }

 private:
  std::optional<NormTensors> layer_norm(const std::string& name) const {
    return name.empty() ? std::nullopt : norm(c_.norm, prefix_ + name, c_.hidden_size);
  }

  std::optional<NormTensors> head_norm(const std::string& name, std::int64_t heads, HeadKind kind) const {
    if (name.empty()) return std::nullopt;
    auto out = norm(c_.head_norm, prefix_ + name, c_.head_norm_over_all ? heads * c_.head_dim : c_.head_dim, heads);
    if (c_.head_norm_by_head) out->gain.at(0).shape = {heads, c_.head_dim};
    if (c_.head_norm_over_all || c_.head_norm_by_head || out->gain.size() > 1) out->heads = kind;
    return out;
  }

  void add_heads(LayerTensors& out) const {
    const std::int64_t d = c_.head_dim, heads = c_.num_heads, kv_heads = c_.num_kv_heads, group = c_.group_size();
    const bool bias = c_.query_key_value_bias;
    if (n_.heads == HeadLayout::separate) {
      const auto own = [&](const std::string& name, HeadKind kind, std::int64_t count) {
        return HeadTensors{linear(prefix_ + name, count * d, c_.hidden_size, bias, n_.transposed), kind, d, 1, d};
      };
      out.qkv = {own(n_.query, HeadKind::query, heads), own(n_.key, HeadKind::key_value, kv_heads),
                 own(n_.value, HeadKind::key_value, kv_heads)};
      return;
    }
    const LinearTensors all =
        linear(prefix_ + n_.query, (heads + 2 * kv_heads) * d, c_.hidden_size, bias, n_.transposed);
    const auto at = [&](HeadKind kind, std::int64_t first, std::int64_t per_block, std::int64_t block) {
      HeadTensors part{all, kind, d, per_block, block};
      part.map.first = first;
      return part;
    };
    if (n_.heads == HeadLayout::stacked) {
      out.qkv = {at(HeadKind::query, 0, 1, d), at(HeadKind::key_value, heads * d, 1, d),
                 at(HeadKind::key_value, (heads + kv_heads) * d, 1, d)};
    } else if (n_.heads == HeadLayout::quarters) {
      const std::int64_t some = heads / 4, block = 3 * some * d;
      out.qkv = {at(HeadKind::query, 0, some, block), at(HeadKind::key_value, 2 * some * d, some, block),
                 at(HeadKind::key_value, some * d, some, block)};
    } else {
      const std::int64_t block = (group + 2) * d;
      out.qkv = {at(HeadKind::query, 0, group, block), at(HeadKind::key_value, group * d, 1, block),
                 at(HeadKind::key_value, (group + 1) * d, 1, block)};
    }
  }

  void add_latent_heads(LayerTensors& out) const {
    const LatentForm& latent = *c_.latent;
    const NormForm form{.epsilon = latent.norm_epsilon};
    const std::int64_t d = c_.head_dim, up = d - latent.shared_key_size + c_.value_dim;
    if (latent.query_size > 0) {
      out.query_down = linear(prefix_ + n_.query_down, latent.query_size, c_.hidden_size, false);
      out.latent_query_norm = norm(form, prefix_ + n_.latent_query_norm, latent.query_size);
    }
    const std::int64_t inputs = latent.query_size > 0 ? latent.query_size : c_.hidden_size;
    out.qkv = {{linear(prefix_ + n_.query, c_.num_heads * d, inputs, false), HeadKind::query, d, 1, d}};
    out.key_value_down =
        linear(prefix_ + n_.key_value_down, latent.key_value_size + latent.shared_key_size, c_.hidden_size, false);
    out.latent_norm = norm(form, prefix_ + n_.latent_norm, latent.key_value_size);
    out.key_value_up = HeadTensors{linear(prefix_ + n_.key_value_up, c_.num_heads * up, latent.key_value_size, false),
                                   HeadKind::query, up, 1, up};
  }

  /// How the maps of a network are stored.
  struct Storage {
    bool fused = false, alternating = false, transposed = false;
    Endings endings = {};
  };

  MlpTensors mlp(const std::string& gate, const std::string& up, const std::string& down, std::int64_t size,
                 const Storage& storage) const {
    const auto map = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs) {
      return linear(prefix_ + name, outputs, inputs, c_.mlp_bias, storage.transposed, storage.endings);
    };
    MlpTensors out;
    if (storage.fused) {
      out.gate = map(up, 2 * size, c_.hidden_size);
      out.up = *out.gate;
      out.gate->outputs = out.up.outputs = size;
      out.gate->step = out.up.step = storage.alternating ? 2 : 1;
      out.up.first = storage.alternating ? 1 : size;
    } else {
      if (c_.gated) out.gate = map(gate, size, c_.hidden_size);
      out.up = map(up, size, c_.hidden_size);
    }
    out.down = map(down, c_.hidden_size, size);
    return out;
  }

  void add_mlp(LayerTensors& out) const {
    const std::int64_t size = form_.intermediate_size;
    if (!form_.routed) {
      out.mlp = mlp(n_.gate, n_.up, n_.down, size, {.fused = n_.fused_gate_up, .transposed = n_.transposed});
      return;
    }
    if (size > 0) {
      out.mlp = mlp(n_.shared_gate, n_.shared_up, n_.shared_down, size, {.transposed = n_.transposed});
      if (!n_.shared_router.empty()) {
        out.shared_router = ExpectedTensor{prefix_ + n_.shared_router + ".weight", {1, c_.hidden_size}};
      }
    }
    out.router = ExpectedTensor{prefix_ + n_.router + ".weight", {c_.routing->num_experts, c_.hidden_size}};
    if (c_.routing->has_logit_bias) {
      out.router_logit_bias = ExpectedTensor{prefix_ + n_.router + ".bias", {c_.routing->num_experts}};
    }
    if (c_.routing->has_bias) out.router_bias = ExpectedTensor{prefix_ + n_.router_bias, {c_.routing->num_experts}};
    const Storage storage{n_.fused_expert_gate_up,
                          n_.alternating_expert_gate_up,
                          n_.transposed_experts,
                          {n_.expert_weight_ending, n_.expert_bias_ending}};
    for (std::int64_t e = 0; e < c_.routing->num_experts; ++e) {
      out.experts.push_back(mlp(numbered(n_.expert_gate, e), numbered(n_.expert_up, e), numbered(n_.expert_down, e),
                                c_.expert_size, storage));
    }
  }

  const ModelConfig& c_;
  const TensorNames& n_;
  const LayerForm& form_;
  const std::string prefix_;
};

/// Collects tensors, each name once.
class Collector {
 public:
  void add(const ExpectedTensor& tensor) {
    if (names_.insert(tensor.name).second) all.push_back(tensor);
  }
  void add(const NormTensors& norm) {
    add(norm.gain);
    add(norm.bias);
  }
  void add(const LinearTensors& map) {
    add(map.weight);
    add(map.bias);
  }
  void add(const HeadTensors& heads) { add(heads.map); }
  void add(const MlpTensors& mlp) {
    add(mlp.gate);
    add(mlp.up);
    add(mlp.down);
  }
  template <class T>
  void add(const std::optional<T>& part) {
    if (part) add(*part);
  }
  template <class T>
  void add(const std::vector<T>& parts) {
    for (const T& part : parts) add(part);
  }

  std::vector<ExpectedTensor> all;

 private:
  std::set<std::string> names_;
};

}  // namespace

LayerTensors layer_tensors(const ModelConfig& config, std::int64_t layer) { return Builder(config, layer).build(); }

std::vector<ExpectedTensor> tensors_of(const LayerTensors& t) {
  Collector out;
  const auto add = [&](const auto& part) { out.add(part); };
  visit_norms(add, t);
  visit_maps(add, t);
  out.add(t.mlp);
  out.add(t.router);
  out.add(t.router_logit_bias);
  out.add(t.router_bias);
  out.add(t.shared_router);
  out.add(t.experts);
  out.add(t.sinks);
  return out.all;
}

std::optional<std::int64_t> layer_of(const ModelConfig& config, const std::string& name) {
  std::string with_base = name.starts_with(config.names.base) ? name : config.names.base + name;
  for (const auto& [other, own] : config.names.other_prefixes) {
    if (name.starts_with(other)) with_base = own + name.substr(other.size());
  }
  const std::string prefix = config.names.layer.substr(0, config.names.layer.find("{}"));
  if (!with_base.starts_with(prefix)) return std::nullopt;
  std::int64_t layer = 0;
  const char* end = with_base.data() + with_base.size();
  const auto [stop, error] = std::from_chars(with_base.data() + prefix.size(), end, layer);
  if (error != std::errc{} || stop == end || *stop != '.') return std::nullopt;
  return layer;
}

std::optional<NormTensors> final_norm_tensors(const ModelConfig& config) {
  if (config.names.final_norm.empty()) return std::nullopt;
  return norm(config.norm, config.names.final_norm, config.hidden_size);
}

std::optional<NormTensors> embedding_norm_tensors(const ModelConfig& config) {
  if (config.names.embedding_norm.empty()) return std::nullopt;
  return norm(config.norm, config.names.embedding_norm, config.hidden_size);
}

std::optional<LinearTensors> embedding_in_tensors(const ModelConfig& config) {
  if (config.names.embedding_in.empty()) return std::nullopt;
  return linear(config.names.embedding_in, config.hidden_size, config.embedding_size, false);
}

std::optional<LinearTensors> embedding_out_tensors(const ModelConfig& config) {
  if (config.names.embedding_out.empty()) return std::nullopt;
  return linear(config.names.embedding_out, config.embedding_size, config.hidden_size, false);
}

std::optional<ExpectedTensor> position_embedding_tensor(const ModelConfig& config) {
  if (config.names.position_embedding.empty()) return std::nullopt;
  return ExpectedTensor{config.names.position_embedding + ".weight",
                        {config.max_positions + config.position_offset, config.hidden_size}};
}

std::optional<ExpectedTensor> output_bias_tensor(const ModelConfig& config) {
  if (!config.output_bias) return std::nullopt;
  return ExpectedTensor{config.names.output + ".bias", {config.vocab_size}};
}

ExpectedTensor input_embedding_tensor(const ModelConfig& config) {
  return {config.names.embedding + ".weight", {config.vocab_size, config.embedding_size}};
}

ExpectedTensor output_embedding_tensor(const ModelConfig& config) {
  return {config.names.output + ".weight", {config.vocab_size, config.embedding_size}};
}

std::vector<ExpectedTensor> tensors_around_layers(const ModelConfig& config) {
  Collector out;
  out.add(final_norm_tensors(config));
  out.add(embedding_norm_tensors(config));
  out.add(embedding_in_tensors(config));
  out.add(embedding_out_tensors(config));
  out.add(position_embedding_tensor(config));
  out.add(output_bias_tensor(config));
  return out.all;
}

}  // namespace logitfield::io
