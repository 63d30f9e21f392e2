#include "io/npy.hpp"

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/integers.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr std::size_t kLargestNpy = std::size_t{1} << 30;
/// Far more than NumPy writes for one dimension. A longer header is not of this kind.
constexpr std::size_t kMaxDescriptionSize = 4096;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
  throw InputError("{}: {}; save a one-dimensional array of integers with numpy.save", path.string(), reason);
}

/// The header's text and the array's bytes.
struct Parts {
  std::string_view header;
  std::string_view data;
};

Parts split(const std::filesystem::path& path, std::string_view content) {
  constexpr std::size_t kVersionAt = kNpyMagic.size();
  constexpr std::size_t kLengthAt = kVersionAt + 2;
  if (!content.starts_with(kNpyMagic) || content.size() < kLengthAt + 4) refuse(path, "not a .npy file");
  const int version = static_cast<unsigned char>(content[kVersionAt]);
  if (version < 1 || version > 3) refuse(path, fmt::format(".npy version {} is not 1 to 3", version));
  const std::size_t length_size = version == 1 ? 2 : 4;
  std::uint32_t length = 0;
  std::memcpy(&length, content.data() + kLengthAt, length_size);
  const std::string_view rest = content.substr(kLengthAt + length_size);
  if (length > rest.size() || length > kMaxDescriptionSize) refuse(path, fmt::format("a header of {} bytes", length));
  return {rest.substr(0, length), rest.substr(length)};
}

/// The text after a key of the header, between two characters: 'descr': '<i4', 'shape': (512,).
std::string_view field(const std::filesystem::path& path, std::string_view header, std::string_view key, char open,
                       char close) {
  const std::size_t key_at = header.find(key);
  const std::size_t begin = header.find_first_not_of(": ", key_at == header.npos ? key_at : key_at + key.size());
  const std::size_t end = header.find(close, begin == header.npos ? begin : begin + 1);
  if (end == header.npos || header[begin] != open) refuse(path, "a header in an unknown form: " + excerpt(header));
  return header.substr(begin + 1, end - begin - 1);
}

/// "512," is the shape of 512 elements in one dimension; "1, 512" that of a batch of one text.
std::uint64_t length_of(const std::filesystem::path& path, std::string_view shape) {
  constexpr std::string_view kBatchOfOne = "1, ";
  std::uint64_t length = 0;
  const bool is_batch = shape.starts_with(kBatchOfOne);
  if (is_batch) shape.remove_prefix(kBatchOfOne.size());
  const char* end = shape.data() + shape.size();
  const auto [rest, error] = std::from_chars(shape.data(), end, length);
  if (error != std::errc() || std::string_view(rest, end) != (is_batch ? "" : ","))
    refuse(path, "shape " + excerpt(shape));
  return length;
}

}  // namespace

std::vector<std::int64_t> read_npy_integers(const std::filesystem::path& path) {
  const std::string content = read_file(path, kLargestNpy);
  const auto [header, data] = split(path, content);
  const std::string_view type = field(path, header, "'descr'", '\'', '\'');
  const auto kind = integer_kind(type.starts_with('<') || type.starts_with('|') ? type.substr(1) : "");
  if (!kind) refuse(path, "elements of type " + excerpt(type));
  const std::uint64_t length = length_of(path, field(path, header, "'shape'", '(', ')'));
  const std::size_t width = integer_size(*kind);
  if (data.size() % width != 0 || data.size() / width != length) {
    refuse(path,
           fmt::format("the header says {} elements of {} bytes, but {} bytes follow it", length, width, data.size()));
  }
  return integers_of(*kind, std::as_bytes(std::span(data)));
}

void write_npy_integers(const std::filesystem::path& path, std::span<const std::int32_t> values) {
  constexpr std::string_view kVersion{"\x01\x00", 2};
  constexpr std::size_t kAlignment = 64;
  std::string header = fmt::format("{{'descr': '<i4', 'fortran_order': False, 'shape': ({},), }}", values.size());
  std::uint16_t length = 0;
  const std::size_t before = kNpyMagic.size() + kVersion.size() + sizeof length;
  while ((before + header.size() + 1) % kAlignment != 0) header += ' ';
  header += '\n';
  length = static_cast<std::uint16_t>(header.size());
  std::string content{kNpyMagic};
  content += kVersion;
  content.append(reinterpret_cast<const char*>(&length), sizeof length);
  content += header;
  content.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  write_atomically(path, content);
}

}  // namespace logitfield::io
