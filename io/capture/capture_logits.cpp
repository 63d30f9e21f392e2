#include "io/capture/capture_logits.hpp"

#include <cmath>

#include "io/error.hpp"

namespace logitfield::io {

CaptureLogits::CaptureLogits(const std::filesystem::path& path, std::int64_t num_tokens, std::int64_t vocab_size)
    : file_(path) {
  const auto found = file_.tensors().find("logits");
  if (found == file_.tensors().end()) {
    throw InputError("{}: there is no tensor \"logits\"; record the capture again", path.string());
  }
  tensor_ = &found->second;
  const std::vector<std::int64_t> expected = {num_tokens, vocab_size};
  if (tensor_->shape != expected || !is_float_weight(tensor_->dtype)) {
    throw InputError("{}: tensor \"logits\" is {} {}, but must be {} of floats; record the capture again",
                     path.string(), dtype_name(tensor_->dtype), shape_text(tensor_->shape), shape_text(expected));
  }
}

void CaptureLogits::read(Slice columns, std::span<float> target) const {
  const auto width = static_cast<std::size_t>(tensor_->shape[1]), count = static_cast<std::size_t>(columns.size());
  const auto first = static_cast<std::size_t>(columns.begin), size = dtype_size(tensor_->dtype);
  for (std::size_t i = 0; i < static_cast<std::size_t>(tensor_->shape[0]); ++i) {
    const auto row = target.subspan(i * count, count);
    to_float32(tensor_->dtype, tensor_->data.data() + (i * width + first) * size, row);
    for (std::size_t j = 0; j < count; ++j) {
      if (std::isfinite(row[j])) continue;
      throw InputError("{}: tensor \"logits\" is {} at position {}, token {}; record the capture again",
                       file_.path().string(), row[j], i, first + j);
    }
  }
}

}  // namespace logitfield::io
