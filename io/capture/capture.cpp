#include "io/capture/capture.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>

#include "io/capture/capture_format.hpp"
#include "io/error.hpp"
#include "io/json.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr const char* kAxes = "head, row, component";

/// The content of capture.json, and its path for messages.
struct Source {
  std::string path;
  json object;

  template <class T>
  T get(const char* key) const {
    return required<T>(object, key, path);
  }

  /// Checks a key that supports only one value.
  template <class T>
  void require(const char* key, const T& value, const char* remedy) const {
    if (get<T>(key) == value) return;
    throw InputError("{}: \"{}\" is {}, but must be {}; {}", path, key, excerpt(object.at(key)), excerpt(value),
                     remedy);
  }

  std::int64_t size(const char* key) const {
    constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
    const auto value = get<std::int64_t>(key);
    if (value >= 1 && value <= largest) return value;
    throw InputError("{}: \"{}\" is {}, but must lie in 1 ... {}; correct it", path, key, value, largest);
  }
};

/// Reads `list`, the value of `key` or a part of it: one number per query head. All numbers are finite: JSON has no
/// infinity or NaN, and the parser refuses such numbers.
std::vector<double> numbers_by_head(const Source& source, const std::string& key, const json& list,
                                    std::int64_t num_heads) {
  if (!list.is_array() || static_cast<std::int64_t>(list.size()) != num_heads) {
    const std::string found = list.is_array() ? fmt::format("a list of {}", list.size()) : excerpt(list);
    throw InputError("{}: {} is {}, but must be a list of \"num_heads\" {} numbers; correct it, or remove it",
                     source.path, key, found, num_heads);
  }
  for (std::size_t h = 0; h < list.size(); ++h) {
    if (list[h].is_number()) continue;
    throw InputError("{}: {} holds {} at {}, but must hold numbers only; correct it, or remove it", source.path, key,
                     excerpt(list[h]), h);
  }
  return list.get<std::vector<double>>();
}

/// Empty if there are none.
std::vector<double> read_alibi_slopes(const Source& source, std::int64_t num_heads) {
  constexpr const char* key = "alibi_slopes";
  if (!source.object.contains(key)) return {};
  return numbers_by_head(source, "\"alibi_slopes\"", source.object.at(key), num_heads);
}

/// By layer and query head; empty if there are none.
std::vector<std::vector<double>> read_sinks(const Source& source, const CaptureInfo& info) {
  constexpr const char* key = "sinks";
  if (!source.object.contains(key)) return {};
  const json& layers = source.object.at(key);
  if (!layers.is_array() || static_cast<std::int64_t>(layers.size()) != info.num_layers) {
    const std::string found = layers.is_array() ? fmt::format("a list of {}", layers.size()) : excerpt(layers);
    throw InputError(
        "{}: \"{}\" is {}, but must be a list of \"num_layers\" {} lists of numbers; correct it, or remove it",
        source.path, key, found, info.num_layers);
  }
  std::vector<std::vector<double>> out;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    out.push_back(numbers_by_head(source, fmt::format("\"sinks\" of layer {}", l), layers[l], info.num_heads));
  }
  return out;
}

std::optional<double> read_logit_softcap(const Source& source) {
  constexpr const char* key = "logit_softcap";
  if (!source.object.contains(key)) return std::nullopt;
  const auto value = source.get<double>(key);
  if (value > 0) return value;
  throw InputError("{}: \"{}\" is {}, but must be positive; correct it, or remove it", source.path, key, value);
}

/// Returns how many keys a query of each layer sees, 0 for all; empty if the key is missing.
std::vector<std::int64_t> read_visible(const Source& source, const char* key, std::int64_t num_layers) {
  if (!source.object.contains(key)) return {};
  const json& list = source.object.at(key);
  if (!list.is_array() || static_cast<std::int64_t>(list.size()) != num_layers) {
    const std::string found = list.is_array() ? fmt::format("a list of {}", list.size()) : excerpt(list);
    throw InputError(
        "{}: \"{}\" is {}, but must be a list of \"num_layers\" {} positive integers or nulls; correct it, or remove "
        "it",
        source.path, key, found, num_layers);
  }
  std::vector<std::int64_t> out;
  for (std::size_t l = 0; l < list.size(); ++l) {
    const std::optional<std::int64_t> value = as_integer(list[l]);
    if (!list[l].is_null() && value.value_or(0) < 1) {
      throw InputError("{}: \"{}\" holds {} at {}, but must hold positive integers or nulls; correct it, or remove it",
                       source.path, key, excerpt(list[l]), l);
    }
    out.push_back(value.value_or(0));
  }
  return out;
}

void read_visible(const Source& source, CaptureInfo& info) {
  info.windows = read_visible(source, "windows", info.num_layers);
  info.chunks = read_visible(source, "chunks", info.num_layers);
  for (std::size_t l = 0; l < std::min(info.windows.size(), info.chunks.size()); ++l) {
    if (info.windows[l] == 0 || info.chunks[l] == 0) continue;
    throw InputError("{}: layer {} has a window of {} and chunks of {}; correct \"windows\" or \"chunks\"", source.path,
                     l, info.windows[l], info.chunks[l]);
  }
}

CaptureInfo read_info(const Source& source) {
  const char* newer = "write the capture in the format of this program's version";
  source.require<std::string>("format", kCaptureFormat, "give a capture folder");
  source.require<std::int64_t>("version", kCaptureVersion, newer);
  source.require("causal", true, "capture a causal model");
  source.require("position_encoding_applied", true, "capture Q and K as they enter the dot product");
  CaptureInfo info{.model = source.get<std::string>("model"),
                   .num_layers = source.size("num_layers"),
                   .num_heads = source.size("num_heads"),
                   .num_kv_heads = source.size("num_kv_heads"),
                   .head_dim = source.size("head_dim"),
                   .num_tokens = source.size("num_tokens"),
                   .scale = source.get<double>("scale"),
                   .source = source.get<std::string>("source"),
                   .alibi_slopes = {},
                   .logit_softcap = {},
                   .rotation_changes_after = 0,
                   .windows = {},
                   .chunks = {},
                   .sinks = {}};

  if (info.num_heads % info.num_kv_heads != 0) {
    throw InputError("{}: \"num_heads\" {} is not divisible by \"num_kv_heads\" {}; correct them", source.path,
                     info.num_heads, info.num_kv_heads);
  }
  if (!(info.scale > 0))
    throw InputError("{}: \"scale\" is {}, but must be positive; correct it", source.path, info.scale);
  info.alibi_slopes = read_alibi_slopes(source, info.num_heads);
  info.logit_softcap = read_logit_softcap(source);
  constexpr const char* changes = "rotation_changes_after";
  if (source.object.contains(changes)) info.rotation_changes_after = source.size(changes);
  read_visible(source, info);
  info.sinks = read_sinks(source, info);
  return info;
}

void check_tensor(const SafetensorsFile& file, const char* name, const std::vector<std::int64_t>& shape) {
  const Tensor& tensor = file.at(name);
  if (tensor.shape != shape || !is_float_weight(tensor.dtype)) {
    throw InputError("{}: tensor \"{}\" is {} {}, but capture.json asks for {} in F32, F16 or BF16; capture it again",
                     file.path().string(), name, dtype_name(tensor.dtype), shape_text(tensor.shape), shape_text(shape));
  }
}

/// Reads some rows of matrix `head` of a tensor [heads, rows, components].
void read_rows(const SafetensorsFile& file, const char* name, std::int64_t head, Slice rows, Finite finite,
               std::span<const std::uint64_t> blocks, std::span<float> target) {
  // Below this size, fetching the pages again would cost more than keeping them.
  constexpr std::size_t kLargePiece = 8 << 20;
  const Tensor& tensor = file.at(name);
  if (head < 0 || head >= tensor.shape[0] || rows.begin < 0 || rows.begin > rows.end || rows.end > tensor.shape[1] ||
      target.size() != static_cast<std::size_t>(rows.size() * tensor.shape[2])) {
    throw std::invalid_argument("Capture: no such head or rows, or a target of another size");
  }
  const auto first = static_cast<std::size_t>((head * tensor.shape[1] + rows.begin) * tensor.shape[2]);
  const std::size_t width = dtype_size(tensor.dtype);
  const auto piece = tensor.data.subspan(first * width, target.size() * width);
  if (finite == Finite::required) require_finite(file, tensor, first, target.size(), kAxes);
  to_float32(tensor.dtype, piece.data(), target);
  const StoredPart part = part_of(file, tensor);
  BlockCheck check(part, blocks);
  check.used(piece);
  check.finish();
  if (piece.size() >= kLargePiece) file.file().release(piece);
}

}  // namespace

Capture::Capture(const std::filesystem::path& folder, Finite finite) : folder_(folder), finite_(finite) {
  const auto json_path = capture_info_path(folder);
  info_ = read_info({json_path.string(), read_json(json_path)});
  for (std::int64_t layer = 0; layer < info_.num_layers; ++layer) {
    const auto& file = layers_.emplace_back(capture_layer_path(folder, layer));
    check_tensor(file, "q", {info_.num_heads, info_.num_tokens, info_.head_dim});
    check_tensor(file, "k", {info_.num_kv_heads, info_.num_tokens, info_.head_dim});
  }
  blocks_.resize(layers_.size());
}

void Capture::read_queries(std::int64_t layer, std::int64_t head, Slice rows, std::span<float> target) const {
  const auto l = static_cast<std::size_t>(layer);
  read_rows(layers_.at(l), "q", head, rows, finite_, query_blocks(l), target);
}

void Capture::read_keys(std::int64_t layer, std::int64_t kv_head, Slice rows, std::span<float> target) const {
  const auto l = static_cast<std::size_t>(layer);
  read_rows(layers_.at(l), "k", kv_head, rows, finite_, std::span(blocks_.at(l)).subspan(query_blocks(l).size()),
            target);
}

std::span<const std::uint64_t> Capture::query_blocks(std::size_t layer) const {
  const std::span<const std::uint64_t> blocks = blocks_.at(layer);
  return blocks.first(blocks.empty() ? 0 : count_blocks(layers_.at(layer).at("q").data.size()));
}

void Capture::expect(std::int64_t layer, BlockHashes blocks) {
  const SafetensorsFile& file = layers_.at(static_cast<std::size_t>(layer));
  if (blocks.size() != count_blocks(file.at("q").data.size()) + count_blocks(file.at("k").data.size())) {
    throw std::invalid_argument("Capture: not the blocks of layer " + std::to_string(layer));
  }
  blocks_[static_cast<std::size_t>(layer)] = std::move(blocks);
}

Fingerprint Capture::check_and_hash(std::int64_t layer) const {
  const SafetensorsFile& file = layers_.at(static_cast<std::size_t>(layer));
  Hasher hasher;
  BlockHashes blocks;
  for (const char* name : {"q", "k"}) {
    const BlockHashes own = io::check_and_hash(file, file.at(name), kAxes, finite_, hasher);
    blocks.insert(blocks.end(), own.begin(), own.end());
  }
  return {hasher.digest(), std::move(blocks)};
}

}  // namespace logitfield::io
