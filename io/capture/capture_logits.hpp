#pragma once
#include <filesystem>
#include <span>

#include "io/checkpoint/checkpoint.hpp"
#include "io/safetensors.hpp"

namespace logitfield::io {

/// Reads logits.safetensors of a capture: the final logits [num_tokens, vocab_size] of its text.
class CaptureLogits {
 public:
  /// Throws InputError naming file, tensor and shape for anything else.
  CaptureLogits(const std::filesystem::path& path, std::int64_t num_tokens, std::int64_t vocab_size);

  /// Reads the logits of some tokens at all positions as float32 [num_tokens, columns.size()]. Throws InputError at a
  /// NaN or infinity, naming file, position, token and value.
  void read(Slice columns, std::span<float> target) const;

 private:
  SafetensorsFile file_;
  const Tensor* tensor_ = nullptr;
};

}  // namespace logitfield::io
