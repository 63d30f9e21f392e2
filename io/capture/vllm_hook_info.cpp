#include "io/capture/vllm_hook_info.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();

const json& member(const json& object, const char* key, json::value_t type, const std::string& path) {
  if (object.is_object() && object.contains(key) && object.at(key).type() == type) return object.at(key);
  const bool is_there = object.is_object() && object.contains(key);
  throw InputError("{}: \"{}\" is {}, but must be {}; record the run again with this plugin's current version", path,
                   key, is_there ? excerpt(object.at(key)) : "missing",
                   type == json::value_t::array ? "a list" : "an object");
}

std::int64_t size(const json& config, const char* key, const std::string& path) {
  const auto value = required<std::int64_t>(config, key, path);
  if (value >= 1 && value <= kLargest) return value;
  throw InputError("{}: \"{}\" is {}, but must lie in 1 ... {}; correct it", path, key, value, kLargest);
}

void require_all_tokens(const json& file, const std::string& path) {
  const auto mode = required<std::string>(file, "hookq_mode", path);
  if (mode == "all_tokens") return;
  throw InputError("{}: \"hookq_mode\" is {}, which leaves out queries; record again with \"all_tokens\"", path,
                   excerpt(json(mode)));
}

void require_rank(const json& file, std::int64_t rank, const std::string& path) {
  const auto found = required<std::int64_t>(file, "tp_rank", path);
  if (found == rank) return;
  throw InputError("{}: \"tp_rank\" is {}, but the folder is tp_rank_{}; copy the folders again", path, found, rank);
}

std::vector<std::int64_t> read_lengths(const json& file, const std::string& path) {
  const json& list = member(file, "seq_lens", json::value_t::array, path);
  std::vector<std::int64_t> out;
  for (const json& value : list) {
    const std::int64_t length = as_integer(value).value_or(-1);
    if (length < 0 || length > kLargest) {
      throw InputError("{}: \"seq_lens\" holds {} at {}, but must hold numbers of tokens; record the run again", path,
                       excerpt(value), out.size());
    }
    out.push_back(length);
  }
  const auto entries = required<std::int64_t>(file, "batch_size", path);
  const std::int64_t empty = std::ranges::count(out, 0);
  if (entries != std::ssize(out) || empty == entries) {
    throw InputError(
        "{}: \"seq_lens\" has {} lengths, {} of them 0, but must tell the tokens of the \"batch_size\" {} entries; "
        "record the run again",
        path, out.size(), empty, entries);
  }
  return out;
}

std::vector<HookInfo::Layer> read_layers(const json& file, const std::string& path) {
  std::map<std::int64_t, HookInfo::Layer> found;
  for (const json& entry : member(file, "layer_order", json::value_t::array, path)) {
    const auto number = required<std::int64_t>(entry, "layer_num", path);
    HookInfo::Layer layer{required<std::string>(entry, "key_q", path), required<std::string>(entry, "key_k", path)};
    if (!found.emplace(number, std::move(layer)).second) {
      throw InputError("{}: \"layer_order\" has layer {} twice; only decoders with one attention a layer are read",
                       path, number);
    }
  }
  std::vector<HookInfo::Layer> out;
  for (auto& [number, layer] : found) {
    if (number != std::ssize(out)) {
      throw InputError(
          "{}: \"layer_order\" has layer {}, but not layer {}; record again with every layer among the plugin's "
          "\"important_heads\" (a model some of whose layers have no softmax attention cannot be captured)",
          path, number, out.size());
    }
    out.push_back(std::move(layer));
  }
  if (out.empty()) {
    throw InputError(
        "{}: \"layer_order\" is empty; record again with every layer among the plugin's \"important_heads\"", path);
  }
  return out;
}

}  // namespace

HookInfo read_hook_info(const std::filesystem::path& json_path, std::int64_t rank) {
  const std::string path = json_path.string();
  const json file = read_json(json_path);
  const json& config = member(file, "config", json::value_t::object, path);
  require_all_tokens(file, path);
  require_rank(file, rank, path);
  HookInfo out{.heads = {.num_heads = size(config, "num_attention_heads", path),
                         .num_kv_heads = size(config, "num_key_value_heads", path),
                         .head_dim = size(config, "head_dim", path)},
               .hidden_size = size(config, "hidden_size", path),
               .scale = required<double>(config, "attention_multiplier", path),
               .layers = read_layers(file, path),
               .lengths = read_lengths(file, path)};
  if (out.scale > 0) return out;
  throw InputError("{}: \"attention_multiplier\" is {}, but must be positive; correct it", path, out.scale);
}

}  // namespace logitfield::io
