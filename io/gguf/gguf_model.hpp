#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/gguf/gguf_file.hpp"

namespace logitfield::io {

/// A tensor of a model and the file that holds it.
struct PlacedTensor {
  const GgufFile* file;
  const GgufTensor* tensor;
};

/// A model in one GGUF file or in several parts; its metadata is that of the first.
class GgufModel {
 public:
  /// Throws InputError for everything that gguf_parts and GgufFile refuse, for a tensor in two parts, and for a number
  /// of tensors other than "split.tensors.count".
  explicit GgufModel(const std::filesystem::path& first);

  const std::filesystem::path& path() const { return files_.front()->path(); }
  const nlohmann::json& metadata() const { return files_.front()->metadata(); }
  /// Returns "general.architecture"; throws InputError if it is missing.
  std::string architecture() const;
  /// Frees the tokenizer's lists, which take more memory than everything else.
  void forget_tokenizer() { files_.front()->forget("tokenizer."); }

  bool has(const std::string& tensor) const { return find(tensor).has_value(); }
  std::optional<PlacedTensor> find(const std::string& tensor) const;
  const std::map<std::string, PlacedTensor>& tensors() const { return tensors_; }

 private:
  std::vector<std::unique_ptr<GgufFile>> files_;
  std::map<std::string, PlacedTensor> tensors_;
};

}  // namespace logitfield::io
