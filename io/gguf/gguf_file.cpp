#include "io/gguf/gguf_file.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "io/error.hpp"
#include "io/gguf/header_reader.hpp"
#include "io/json.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF"
constexpr std::uint64_t kLargestAxis = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t kMostAxes = 4;
constexpr std::int64_t kDefaultAlignment = 32, kLargestAlignment = 1 << 20;

void check_version(HeaderReader& header) {
  if (header.number<std::uint32_t>() != kGgufMagic) {
    throw InputError("{}: does not begin with GGUF; give a GGUF file, or copy it again", header.path());
  }
  const auto version = header.number<std::uint32_t>();
  if (version == 2 || version == 3) return;
  const bool is_turned = (version & 0xFFFF) == 0;
  throw InputError("{}: {}; write it again with the current tools of llama.cpp", header.path(),
                   is_turned ? "its numbers are big-endian, which is not supported"
                             : fmt::format("GGUF version {} is not supported, only 2 and 3 are", version));
}

std::uint64_t alignment_of(const json& metadata, const HeaderReader& header) {
  const auto value = optional_or<std::int64_t>(metadata, "general.alignment", kDefaultAlignment, header.path());
  if (value < 1 || value > kLargestAlignment || !std::has_single_bit(static_cast<std::uint64_t>(value))) {
    header.refuse(fmt::format("\"general.alignment\" is {}, not a power of two up to {}", value, kLargestAlignment));
  }
  return static_cast<std::uint64_t>(value);
}

/// A row of the tensor table.
struct TableEntry {
  GgufTensor tensor;
  std::uint64_t offset;
  std::size_t bytes;
};

/// Reads one row; every message names file and tensor.
class EntryOfTable {
 public:
  explicit EntryOfTable(HeaderReader& header) : header_(header), name_(header.text()) {}

  TableEntry read() {
    std::vector<std::int64_t> shape = axes();
    const BlockType* type = block_type();
    const auto offset = header_.number<std::uint64_t>();
    const std::size_t bytes = size(*type, shape);
    return {{name_, type, std::move(shape), {}}, offset, bytes};
  }

 private:
  [[noreturn]] void refuse_tensor(const std::string& what) const {
    header_.refuse(fmt::format("tensor {} {}", excerpt(name_), what));
  }

  /// The file lists the fastest axis first.
  std::vector<std::int64_t> axes() {
    const auto count = header_.number<std::uint32_t>();
    if (count < 1 || count > kMostAxes) refuse_tensor(fmt::format("has {} axes, not 1 to {}", count, kMostAxes));
    std::vector<std::int64_t> shape(count);
    for (std::size_t axis = count; axis-- > 0;) {
      const auto value = header_.number<std::uint64_t>();
      if (value < 1 || value > kLargestAxis) {
        refuse_tensor(fmt::format("has an axis of size {}, not 1 to {}", value, kLargestAxis));
      }
      shape[axis] = static_cast<std::int64_t>(value);
    }
    return shape;
  }

  const BlockType* block_type() {
    const auto id = header_.number<std::uint32_t>();
    const BlockType* type = find_block_type(id);
    if (!type) {
      throw InputError("{}: tensor {} has the unknown type {}; use a file with another quantisation", header_.path(),
                       excerpt(name_), id);
    }
    return type;
  }

  std::size_t size(const BlockType& type, const std::vector<std::int64_t>& shape) const {
    const auto width = static_cast<std::size_t>(shape.back());
    if (width % type.numbers != 0) {
      refuse_tensor(
          fmt::format("has rows of {} numbers, not a whole number of {} blocks of {}", width, type.name, type.numbers));
    }
    std::size_t bytes = width / type.numbers * type.bytes;
    for (std::size_t axis = 0; axis + 1 < shape.size(); ++axis) {
      if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(shape[axis]), &bytes)) {
        refuse_tensor("takes more than 2^64 bytes");
      }
    }
    return bytes;
  }

  HeaderReader& header_;
  std::string name_;
};

/// Checks that the tensors, in file order, do not overlap.
void check_apart(const std::map<std::string, GgufTensor>& tensors, const HeaderReader& header) {
  std::vector<const GgufTensor*> order;
  for (const auto& [name, tensor] : tensors) order.push_back(&tensor);
  std::ranges::sort(order, {}, [](const GgufTensor* tensor) { return tensor->data.data(); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const auto& before = order[i - 1]->data;
    if (before.data() + before.size() <= order[i]->data.data()) continue;
    header.refuse(fmt::format("tensors {} and {} overlap", excerpt(order[i - 1]->name), excerpt(order[i]->name)));
  }
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : file_(path) {
  HeaderReader header(file_.bytes(), path.string());
  check_version(header);
  const auto num_tensors = header.number<std::uint64_t>(), num_values = header.number<std::uint64_t>();
  for (std::uint64_t i = 0; i < num_values; ++i) {
    const std::string key = header.text();
    if (first_invalid_utf8(key)) header.refuse(fmt::format("the key {} is not valid UTF-8", excerpt(key)));
    if (metadata_.contains(key)) header.refuse(fmt::format("the key {} appears twice", excerpt(key)));
    metadata_[key] = header.value(key);
  }
  std::vector<TableEntry> table;
  for (std::uint64_t i = 0; i < num_tensors; ++i) table.push_back(EntryOfTable(header).read());
  const std::uint64_t alignment = alignment_of(metadata_, header);
  const std::size_t begin = (header.position() + alignment - 1) / alignment * alignment;
  const auto data = file_.bytes().subspan(std::min(begin, file_.bytes().size()));
  for (TableEntry& entry : table) {
    const std::string name = entry.tensor.name;
    if (entry.offset % alignment != 0 || entry.offset > data.size() || entry.bytes > data.size() - entry.offset) {
      header.refuse(fmt::format("tensor {} is {} bytes at byte {}, not aligned to {} or outside of the {} data bytes",
                                excerpt(name), entry.bytes, entry.offset, alignment, data.size()));
    }
    entry.tensor.data = data.subspan(entry.offset, entry.bytes);
    if (!tensors_.emplace(name, std::move(entry.tensor)).second) {
      header.refuse(fmt::format("tensor {} appears twice", excerpt(name)));
    }
  }
  check_apart(tensors_, header);
}

void GgufFile::forget(const std::string& prefix) {
  std::erase_if(metadata_.get_ref<json::object_t&>(), [&](const auto& item) { return item.first.starts_with(prefix); });
}

bool is_gguf_name(const std::filesystem::path& path) { return path.extension() == ".gguf"; }

std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& first) {
  // "-00001-of-00003" before the extension
  constexpr std::size_t kDigits = 5, kEnding = 2 * kDigits + 5;
  const std::string stem = first.stem().string();
  const std::string ending = stem.size() > kEnding ? stem.substr(stem.size() - kEnding) : "";
  const auto digits = [&](std::size_t begin) {
    const bool all = begin + kDigits <= ending.size() &&
                     std::ranges::all_of(ending.substr(begin, kDigits), [](char c) { return '0' <= c && c <= '9'; });
    return all ? std::stoi(ending.substr(begin, kDigits)) : -1;
  };
  const int number = digits(1), count = digits(kEnding - kDigits);
  if (number < 0 || count < 1 || ending[0] != '-' || ending.substr(1 + kDigits, 4) != "-of-") return {first};
  std::vector<std::filesystem::path> parts;
  for (int part = 1; part <= count; ++part) {
    const std::string name = fmt::format("{}-{:05}-of-{:05}.gguf", stem.substr(0, stem.size() - kEnding), part, count);
    parts.push_back(first.parent_path() / name);
    if (!std::filesystem::exists(parts.back())) {
      throw InputError("{}: is missing, although the name of {} says that there are {} parts; copy or download it",
                       parts.back().string(), first.filename().string(), count);
    }
  }
  if (number == 1) return parts;
  throw InputError("{}: is part {} of {}; give the first part, {}", first.string(), number, count,
                   parts.front().filename().string());
}

}  // namespace logitfield::io
