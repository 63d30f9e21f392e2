#include "io/gguf/gguf_model.hpp"

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {

GgufModel::GgufModel(const std::filesystem::path& first) {
  for (const auto& path : gguf_parts(first)) {
    const GgufFile& file = *files_.emplace_back(std::make_unique<GgufFile>(path));
    for (const auto& [name, tensor] : file.tensors()) {
      if (const auto [place, added] = tensors_.emplace(name, PlacedTensor{&file, &tensor}); !added) {
        throw InputError("{}: tensor {} is also in {}; download the parts again", path.string(), excerpt(name),
                         place->second.file->path().string());
      }
    }
  }
  const auto count = static_cast<std::int64_t>(tensors_.size());
  const auto said = optional_or(metadata(), "split.tensors.count", count, path().string());
  if (said == count) return;
  throw InputError("{}: \"split.tensors.count\" is {}, but the {} files here hold {} tensors; download the parts again",
                   path().string(), said, files_.size(), count);
}

std::string GgufModel::architecture() const {
  return required<std::string>(metadata(), "general.architecture", path().string());
}

std::optional<PlacedTensor> GgufModel::find(const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) return std::nullopt;
  return found->second;
}

}  // namespace logitfield::io
