#include "io/safetensors.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeaderSize = 100'000'000;
constexpr const char* kMetadataKey = "__metadata__";
constexpr const char* kRemedy = "the file is damaged or not safetensors: copy or download it again";

struct Layout {
  std::span<const std::byte> header;
  std::span<const std::byte> data;
};

/// Tells whether Git LFS left this file in place of a large one.
bool is_lfs_pointer(std::span<const std::byte> bytes) {
  constexpr std::string_view kBegin = "version https://git-lfs.github.com";
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).starts_with(kBegin);
}

Layout split(const MappedFile& file) {
  const auto bytes = file.bytes();
  if (is_lfs_pointer(bytes)) {
    throw InputError("{}: is a Git LFS pointer, not the file itself; fetch it (git lfs pull), or download it",
                     file.path().string());
  }
  std::uint64_t length = 0;
  if (bytes.size() < sizeof(length)) {
    throw InputError("{}: {} bytes are too few for a safetensors file; {}", file.path().string(), bytes.size(),
                     kRemedy);
  }
  std::memcpy(&length, bytes.data(), sizeof(length));
  const auto rest = bytes.subspan(sizeof(length));
  if (length > rest.size() || length > kMaxHeaderSize) {
    throw InputError("{}: a header of {} bytes in a file of {} bytes (limit {}); {}", file.path().string(), length,
                     bytes.size(), kMaxHeaderSize, kRemedy);
  }
  return {rest.first(length), rest.subspan(length)};
}

std::string header_origin(const MappedFile& file) { return file.path().string() + ": header"; }

json parse_header(const MappedFile& file, std::span<const std::byte> header) {
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  json parsed = parse_json(text, header_origin(file));
  if (!parsed.is_object())
    throw InputError("{} is {}, not a JSON object; {}", header_origin(file), excerpt(parsed), kRemedy);
  return parsed;
}

void check_metadata(const json& metadata, const MappedFile& file) {
  const auto is_string = [](const json& value) { return value.is_string(); };
  if (!metadata.is_object() || !std::all_of(metadata.begin(), metadata.end(), is_string)) {
    throw InputError("{}: \"{}\" must be an object of strings; {}", header_origin(file), kMetadataKey, kRemedy);
  }
}

/// Reads one tensor's entry; every error message names the file and the tensor.
class EntryReader {
 public:
  EntryReader(const MappedFile& file, const std::string& name, const json& entry)
      : origin_(file.path().string() + ": tensor " + excerpt(name)), name_(name), entry_(entry) {}

  Tensor read(std::span<const std::byte> data) const {
    check_keys();
    Tensor tensor{name_, dtype(), integers("shape"), {}};
    tensor.data = slice(data);
    check_size(tensor);
    return tensor;
  }

 private:
  void check_keys() const {
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (!entry_.is_object() || !entry_.contains(key)) throw InputError("{} has no \"{}\"; {}", origin_, key, kRemedy);
    }
    if (entry_.size() != 3) throw InputError("{} has entries beside dtype, shape, data_offsets; {}", origin_, kRemedy);
  }

  DType dtype() const {
    const auto name = required<std::string>(entry_, "dtype", origin_);
    const auto type = parse_dtype(name);
    if (!type) throw InputError("{} has the unknown dtype {}; {}", origin_, excerpt(name), kRemedy);
    return *type;
  }

  std::vector<std::int64_t> integers(const char* key) const {
    const json& list = entry_.at(key);
    const auto is_size = [](const json& value) { return as_integer(value).value_or(-1) >= 0; };
    if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_size)) {
      throw InputError("{}: \"{}\" is {}, not a list of non-negative 63-bit integers; {}", origin_, key,
                       list_text(list), kRemedy);
    }
    return list.get<std::vector<std::int64_t>>();
  }

  static std::string list_text(const json& list) {
    constexpr std::size_t kLongest = 8;
    return list.is_array() && list.size() <= kLongest ? list.dump() : excerpt(list);
  }

  std::span<const std::byte> slice(std::span<const std::byte> data) const {
    const auto offsets = integers("data_offsets");
    const auto limit = static_cast<std::int64_t>(data.size());
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > limit) {
      throw InputError("{}: data_offsets {} do not lie in the file's {} data bytes; {}", origin_, shape_text(offsets),
                       limit, kRemedy);
    }
    return data.subspan(static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(offsets[1] - offsets[0]));
  }

  void check_size(const Tensor& tensor) const {
    const auto expected = byte_count(tensor.dtype, tensor.shape);
    if (expected && *expected == tensor.data.size()) return;
    throw InputError("{}: shape {} of {} takes {} bytes, but data_offsets span {}; {}", origin_,
                     shape_text(tensor.shape), dtype_name(tensor.dtype),
                     expected ? std::to_string(*expected) : "more than 2^64", tensor.data.size(), kRemedy);
  }

  std::string origin_;
  const std::string& name_;
  const json& entry_;
};

/// Checks that the tensors, in file order, follow each other without overlap or hole up to the end of the file.
void check_tiling(const MappedFile& file, const std::map<std::string, Tensor>& tensors,
                  std::span<const std::byte> data) {
  std::vector<const Tensor*> order;
  for (const auto& [name, tensor] : tensors) order.push_back(&tensor);
  const auto extent = [](const Tensor* tensor) { return std::pair(tensor->data.data(), tensor->data.size()); };
  std::sort(order.begin(), order.end(), [&](const Tensor* a, const Tensor* b) { return extent(a) < extent(b); });
  std::size_t end = 0;
  for (const Tensor* tensor : order) {
    const auto begin = static_cast<std::size_t>(tensor->data.data() - data.data());
    if (begin != end) {
      throw InputError("{}: tensor {} begins at data byte {}, but the one before it ends at {} ({}); {}",
                       file.path().string(), excerpt(tensor->name), begin, end, begin < end ? "overlap" : "hole",
                       kRemedy);
    }
    end += tensor->data.size();
  }
  if (end != data.size()) {
    throw InputError("{}: the tensors end at data byte {}, the file at {}; {}", file.path().string(), end, data.size(),
                     kRemedy);
  }
}

}  // namespace

std::string shape_text(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::optional<std::size_t> byte_count(DType type, std::span<const std::int64_t> shape) {
  std::size_t count = dtype_size(type);
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<std::size_t>(size), &count)) return std::nullopt;
  }
  return count;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const Layout layout = split(file_);
  const json header = parse_header(file_, layout.header);
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      check_metadata(entry, file_);
    } else {
      tensors_.emplace(name, EntryReader(file_, name, entry).read(layout.data));
    }
  }
  check_tiling(file_, tensors_, layout.data);
}

const Tensor& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw InputError("{}: tensor {} is missing; {}", path().string(), excerpt(name), kRemedy);
  return found->second;
}

}  // namespace logitfield::io
