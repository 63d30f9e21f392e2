#include "io/config/quantisation.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using Method = Quantisation::Method;

constexpr const char* kRemedy = "use the unquantised weights";

/// Throws InputError unless the value is one of these, or absent.
void require_one_of(const ConfigSource& config, const std::string& key, const std::vector<json>& values) {
  if (config.has(key) && std::ranges::find(values, config.at(key)) == values.end()) config.refuse(key, kRemedy);
}

void read_block(const ConfigSource& config, const std::string& key, Quantisation& out) {
  if (!config.has(key)) return;
  const std::vector<double> sizes = config.numbers(key);
  const auto is_size = [](double size) { return size >= 1 && size <= 1e6 && size == std::floor(size); };
  if (sizes.size() != 2 || !std::ranges::all_of(sizes, is_size)) {
    throw InputError("{}: \"{}\" is [{}], not two positive sizes; correct it", config.path(), key,
                     fmt::join(sizes, ", "));
  }
  const auto rows = static_cast<std::int64_t>(sizes[0]), columns = static_cast<std::int64_t>(sizes[1]);
  if (out.block_rows > 0 && (rows != out.block_rows || columns != out.block_columns)) {
    config.refuse(key, "use a model whose groups have blocks of one size");
  }
  out.block_rows = rows;
  out.block_columns = columns;
}

/// DeepSeek-V3, Qwen3-FP8, AutoFP8, FBGEMM. Scales of activations have no part in dequantised weights.
void read_float8(const ConfigSource& config, Quantisation& out) {
  read_block(config, "weight_block_size", out);
  require_one_of(config, "fmt", {"e4m3", "float8_e4m3fn"});
  require_one_of(config, "expert_dtype", {"fp8"});
  require_one_of(config, "scale_fmt", {"float", "ue8m0"});
  config.ignore({"activation_scheme", "activation_scale_ub", "kv_cache_scheme"});
}

const std::vector<json> kCompressedFormats = {"float-quantized", "int-quantized", "naive-quantized", "pack-quantized"};

/// Tensors that the modules of a group of integers must have.
struct IntegerGroup {
  bool has_zero_points, has_order;
};

/// The tensors show the bits of integers, and which columns share a scale. Empty for a group of floats.
std::optional<IntegerGroup> read_compressed_group(const ConfigSource& group, Quantisation& out) {
  require_one_of(group, "format", kCompressedFormats);
  const ConfigSource weights = group.object("weights");
  const std::int64_t bits = weights.size("num_bits");
  const std::string type = weights.text_or("type", "int");
  if (type == "float" && bits == 8) {
    require_one_of(weights, "strategy", {"tensor", "channel", "block"});
    read_block(weights, "block_structure", out);
    return std::nullopt;
  }
  if (type != "int" || (bits != 4 && bits != 8)) {
    throw InputError(
        "{}: weights of {} bits of type {} are not supported, only 8 bits of type float, and 4 or 8 bits "
        "of type int; {}",
        weights.path(), bits, type, kRemedy);
  }
  require_one_of(weights, "strategy", {"tensor", "channel", "group"});
  require_one_of(weights, "actorder", {"group", "dynamic", "weight", "static", true, false});
  const json order = weights.has("actorder") ? weights.at("actorder") : json(false);
  return IntegerGroup{!weights.flag("symmetric", true), order == "group" || order == "dynamic" || order == true};
}

void read_compressed_tensors(const ConfigSource& config, Quantisation& out) {
  out.rounds_to_scale_type = true;
  std::vector<json> formats = kCompressedFormats;
  formats.emplace_back("mixed-precision");  // each group has its own
  require_one_of(config, "format", formats);
  require_one_of(config, "quantization_status", {"compressed", "frozen"});
  if (config.has("sparsity_config") && !config.at("sparsity_config").empty()) {
    require_one_of(config.object("sparsity_config"), "format", {"dense"});  // not sparse
  }
  if (config.has("transform_config") && !config.at("transform_config").empty()) {
    config.require("transform_config", json::object());
  }
  const ConfigSource groups = config.object("config_groups");
  std::vector<IntegerGroup> integers;
  for (const auto& [name, group] : config.at("config_groups").items()) {
    if (group.is_object() && group.contains("weights") && group["weights"].is_null()) continue;
    if (const auto own = read_compressed_group(groups.object(name), out)) integers.push_back(*own);
  }
  out.needs_zero_points = !integers.empty() && std::ranges::all_of(integers, &IntegerGroup::has_zero_points);
  out.needs_order = !integers.empty() && std::ranges::all_of(integers, &IntegerGroup::has_order);
  config.ignore({"global_compression_ratio", "ignore", "kv_cache_scheme", "version"});
}

/// As gpt-oss stores the weights of its experts.
void read_mxfp4(const ConfigSource&, Quantisation&) {}

/// Inputs that share a scale; 0: all.
std::int64_t read_group_size(const ConfigSource& config) {
  return config.has("group_size") && config.at("group_size") == -1 ? 0 : config.size_or("group_size", 128);
}

void read_gptq(const ConfigSource& config, Quantisation& out) {
  require_one_of(config, "bits", {2, 3, 4, 8});
  out.bits = config.size("bits");
  out.group_size = read_group_size(config);
  bool adds_one = true;
  for (const char* key : {"checkpoint_format", "format"}) {
    require_one_of(config, key, {"gptq", "gptq_v2"});
    if (config.text_or(key, "gptq") == "gptq_v2") adds_one = false;
  }
  out.zero_offset = adds_one ? 1 : 0;
  if (out.bits == 3 && adds_one) {
    config.refuse("bits",
                  "use weights with checkpoint_format gptq_v2, or another number of bits: programs disagree on "
                  "zero points of 3 bits in the format gptq");
  }
  require_one_of(config, "is_marlin_format", {false});
  require_one_of(config, "pack_dtype", {"int32"});
  require_one_of(config, "dynamic", {json::object(), false});
  // These keys say how scales and numbers were found. g_idx says which inputs make a group.
  config.ignore({"act_group_aware",
                 "backend",
                 "batch_size",
                 "block_name_to_quantize",
                 "cache_block_outputs",
                 "damp_auto_increment",
                 "damp_percent",
                 "dataset",
                 "desc_act",
                 "disable_exllama",
                 "exllama_config",
                 "lm_head",
                 "max_input_length",
                 "meta",
                 "model_file_base_name",
                 "model_name_or_path",
                 "model_seqlen",
                 "module_name_preceding_first_block",
                 "modules_in_block_to_quantize",
                 "mse",
                 "quantizer",
                 "static_groups",
                 "sym",
                 "tokenizer",
                 "true_sequential",
                 "use_cuda_fp16",
                 "use_exllama"});
}

void read_awq(const ConfigSource& config, Quantisation& out) {
  require_one_of(config, "bits", {4});
  require_one_of(config, "w_bit", {4});
  out.group_size = read_group_size(config);
  for (const char* key : {"version", "format"}) require_one_of(config, key, {"gemm", "GEMM"});
  require_one_of(config, "zero_point", {true});
  require_one_of(config, "backend", {"auto", "autoawq"});
  config.ignore({"desc_act", "do_fuse", "exllama_config", "fuse_max_seq_len", "modules_to_fuse", "sym"});
}

}  // namespace

Quantisation read_quantisation(const ConfigSource& config) {
  using Read = void (*)(const ConfigSource&, Quantisation&);
  static const std::map<std::string, std::pair<Method, Read>> methods = {
      {"awq", {Method::awq, read_awq}},
      {"compressed-tensors", {Method::compressed_tensors, read_compressed_tensors}},
      {"fbgemm_fp8", {Method::float8, read_float8}},
      {"fp8", {Method::float8, read_float8}},
      {"gptq", {Method::gptq, read_gptq}},
      {"mxfp4", {Method::mxfp4, read_mxfp4}}};
  const std::string key = config.has("quantization_method") ? "quantization_method" : "quant_method";
  Quantisation out;
  out.name = config.text_or(key, "");
  const auto found = methods.find(out.name);
  if (found == methods.end()) {
    std::vector<std::string> names;
    for (const auto& [name, method] : methods) names.push_back(name);
    config.refuse(key, fmt::format("{}, or weights of a supported method ({})", kRemedy, fmt::join(names, ", ")));
  }
  out.method = found->second.first;
  found->second.second(config, out);
  config.ignore({"modules_to_not_convert", "ignored_layers", "modules_to_convert", "dequantize"});
  (void)config.unknown_keys();  // refuses keys that may matter; others say how the numbers were found
  return out;
}

}  // namespace logitfield::io
