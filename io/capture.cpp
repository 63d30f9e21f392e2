#include "io/capture.hpp"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/tensor_check.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr const char* axes = "head, row, component";

/// capture.json with its name for messages.
struct Source {
  std::string path;
  json object;

  template <class T>
  T get(const char* key) const {
    return required<T>(object, key, path);
  }

  /// A key of which only one value is supported.
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

CaptureInfo read_info(const Source& source) {
  const char* newer = "write the capture in the format of this program's version";
  source.require<std::string>("format", "logitfield-capture", "give a capture folder");
  source.require<std::int64_t>("version", 1, newer);
  source.require("causal", true, "capture a causal model");
  source.require("position_encoding_applied", true, "capture Q and K as they enter the dot product");
  CaptureInfo info{.model = source.get<std::string>("model"),
                   .num_layers = source.size("num_layers"),
                   .num_heads = source.size("num_heads"),
                   .num_kv_heads = source.size("num_kv_heads"),
                   .head_dim = source.size("head_dim"),
                   .num_tokens = source.size("num_tokens"),
                   .scale = source.get<double>("scale"),
                   .source = source.get<std::string>("source")};
  if (info.num_heads % info.num_kv_heads != 0) {
    throw InputError("{}: \"num_heads\" {} is not divisible by \"num_kv_heads\" {}; correct them", source.path,
                     info.num_heads, info.num_kv_heads);
  }
  if (!(info.scale > 0))
    throw InputError("{}: \"scale\" is {}, but must be positive; correct it", source.path, info.scale);
  return info;
}

void check_tensor(const SafetensorsFile& file, const char* name, const std::vector<std::int64_t>& shape) {
  const Tensor& tensor = file.at(name);
  if (tensor.shape != shape || !is_float_weight(tensor.dtype)) {
    throw InputError("{}: tensor \"{}\" is {} {}, but capture.json asks for {} in F32, F16 or BF16; capture it again",
                     file.path().string(), name, dtype_name(tensor.dtype), shape_text(tensor.shape), shape_text(shape));
  }
}

/// Rows 0 ... num_rows - 1 of matrix `head` of a tensor [heads, rows, components].
void read_rows(const SafetensorsFile& file, const char* name, std::int64_t head, std::int64_t num_rows,
               std::span<float> target) {
  const Tensor& tensor = file.at(name);
  if (head < 0 || head >= tensor.shape[0] || num_rows < 0 || num_rows > tensor.shape[1] ||
      target.size() != static_cast<std::size_t>(num_rows * tensor.shape[2])) {
    throw std::invalid_argument("Capture: no such head or rows, or a target of another size");
  }
  const auto first = static_cast<std::size_t>(head * tensor.shape[1] * tensor.shape[2]);
  require_finite(file, tensor, first, target.size(), axes);
  to_float32(tensor.dtype, tensor.data.data() + first * dtype_size(tensor.dtype), target);
}

}  // namespace

Capture::Capture(const std::filesystem::path& folder) : folder_(folder) {
  const auto json_path = folder / "capture.json";
  info_ = read_info({json_path.string(), read_json(json_path)});
  for (std::int64_t layer = 0; layer < info_.num_layers; ++layer) {
    const auto& file = layers_.emplace_back(folder / fmt::format("layer_{:03}.safetensors", layer));
    check_tensor(file, "q", {info_.num_heads, info_.num_tokens, info_.head_dim});
    check_tensor(file, "k", {info_.num_kv_heads, info_.num_tokens, info_.head_dim});
  }
}

void Capture::read_queries(std::int64_t layer, std::int64_t head, std::int64_t num_rows,
                           std::span<float> target) const {
  read_rows(layers_.at(static_cast<std::size_t>(layer)), "q", head, num_rows, target);
}

void Capture::read_keys(std::int64_t layer, std::int64_t kv_head, std::int64_t num_rows,
                        std::span<float> target) const {
  read_rows(layers_.at(static_cast<std::size_t>(layer)), "k", kv_head, num_rows, target);
}

std::uint64_t Capture::check_and_hash(std::int64_t layer) const {
  const SafetensorsFile& file = layers_.at(static_cast<std::size_t>(layer));
  Hasher hasher;
  for (const char* name : {"q", "k"}) io::check_and_hash(file, file.at(name), axes, hasher);
  return hasher.digest();
}

}  // namespace logitfield::io
