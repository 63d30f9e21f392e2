#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/dtype.hpp"
#include "io/mapped_file.hpp"

namespace logitfield::io {

/// One tensor of a mapped safetensors file: row-major, little-endian.
struct Tensor {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;

  std::size_t size() const { return data.size() / dtype_size(dtype); }
};

/// Formats a shape as "[2048, 128]".
std::string shape_text(std::span<const std::int64_t> shape);
/// Returns the bytes of a tensor; nothing if a size is negative or the product overflows.
std::optional<std::size_t> byte_count(DType type, std::span<const std::int64_t> shape);

/// A safetensors file, whose header is checked in full before any tensor is handed out.
/// Format: https://github.com/huggingface/safetensors (8-byte little-endian header length, JSON header, data).
class SafetensorsFile {
 public:
  /// Throws InputError naming the file (and tensor) when:
  /// - the file is shorter than 8 bytes;
  /// - the header is longer than the file or than 100 MB, or is not a JSON object;
  /// - a name appears twice;
  /// - a tensor's entry lacks dtype, shape or data_offsets, or has other keys;
  /// - the dtype is unknown;
  /// - a size is negative or the product of the sizes overflows;
  /// - offsets are reversed, overlap, leave holes, or do not end at the end of the file;
  /// - shape times dtype is not the byte count.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const MappedFile& file() const { return file_; }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  /// Returns a tensor; throws InputError naming file and tensor if it is missing.
  const Tensor& at(const std::string& name) const;

 private:
  MappedFile file_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace logitfield::io
