#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/safetensors.hpp"
#include "io/weights/stored_weight.hpp"

namespace logitfield::io {

/// A tensor and the file that holds it.
struct FileTensor {
  const SafetensorsFile* file = nullptr;
  const Tensor* tensor = nullptr;
};

/// Finds a tensor of a checkpoint by its name; empty if no file holds it.
using FindTensor = std::function<std::optional<FileTensor>(const std::string& name)>;

/// Opens the weight `name` in whichever format the files hold it; null if they do not. Throws InputError naming file,
/// tensor and what is wrong for another shape, and for a type that holds no weights.
std::unique_ptr<StoredWeight> open_weight(const std::string& name, const std::vector<std::int64_t>& shape,
                                          const FindTensor& find);

}  // namespace logitfield::io
