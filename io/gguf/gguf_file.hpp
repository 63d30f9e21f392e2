#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "io/gguf/block_types.hpp"
#include "io/mapped_file.hpp"

namespace logitfield::io {

/// One tensor of a mapped GGUF file: rows of whole blocks. The shape has the slowest axis first, as in safetensors.
struct GgufTensor {
  std::string name;
  const BlockType* type;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;
};

/// A GGUF file of version 2 or 3, whose header is checked in full before any tensor is handed out.
/// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (all little-endian: magic, version, counts,
/// metadata, tensor table, padding, data).
class GgufFile {
 public:
  /// Throws InputError naming the file (and key or tensor) when:
  /// - the magic number, the version or the byte order is not supported;
  /// - a string, a list or the table reaches beyond the file, or beyond the first GiB of it;
  /// - a metadata value is of an unknown type, or a list of lists;
  /// - a key is not valid UTF-8; a key or a tensor's name appears twice;
  /// - a tensor has an unknown type, no axes or more than four, a size of 0 or one that is too large, or rows that are
  ///   not whole blocks;
  /// - a tensor is not aligned, is outside the file or overlaps another.
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const MappedFile& file() const { return file_; }
  /// Returns an object with one value per key ("general.architecture").
  const nlohmann::json& metadata() const { return metadata_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }
  /// Frees the values of the keys that begin with `prefix`.
  void forget(const std::string& prefix);

 private:
  MappedFile file_;
  nlohmann::json metadata_ = nlohmann::json::object();
  std::map<std::string, GgufTensor> tensors_;
};

/// Tells whether the name ends in ".gguf".
bool is_gguf_name(const std::filesystem::path& path);

/// Returns the files of the model whose first file is `first`: itself, or all parts NAME-00001-of-0000N.gguf. Throws
/// InputError if `first` is not the first part, or if a part is missing.
std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& first);

}  // namespace logitfield::io
