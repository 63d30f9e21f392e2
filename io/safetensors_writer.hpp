#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "io/dtype.hpp"

namespace logitfield::io {

/// One tensor to write. fill(first element, bytes to fill) is called for pieces of at most 8 MiB, in file order.
struct TensorToWrite {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::function<void(std::size_t first, std::span<std::byte> bytes)> fill;
};

/// Returns the start of a file of these tensors, up to their data: the header's length and the header, a multiple of 8
/// bytes. `fill` is not used. Throws std::invalid_argument for a shape whose size overflows.
std::string safetensors_head(std::span<const TensorToWrite> tensors);

/// Writes `path` (through a temporary file, then renamed) without ever holding a whole tensor. Throws InputError when
/// the file cannot be written (naming it and the reason, a full disk included).
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors);

}  // namespace logitfield::io
