#include "io/weights/weight_formats.hpp"

#include "io/error.hpp"
#include "io/weights/plain_weight.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {
namespace {

void require_shape(const StoredPart& part, const std::vector<std::int64_t>& shape) {
  if (part.shape == shape) return;
  if (part.bytes.empty()) {
    throw InputError(
        "{} is empty; DeepSpeed ZeRO-3 saves such files: gather the weights "
        "(stage3_gather_16bit_weights_on_model_save, or zero_to_fp32.py) and save again",
        part.origin());
  }
  throw InputError("{} has shape {}, but config.json asks for {}; use the config.json of these weights", part.origin(),
                   shape_text(part.shape), shape_text(shape));
}

}  // namespace

std::unique_ptr<StoredWeight> open_weight(const std::string& name, const std::vector<std::int64_t>& shape,
                                          const FindTensor& find) {
  const std::optional<FileTensor> found = find(name);
  if (!found) return nullptr;
  StoredPart part = part_of(*found->file, *found->tensor);
  require_shape(part, shape);
  if (!is_float_weight(found->tensor->dtype)) {
    throw InputError("{} is {}, but weights must be F32, F16 or BF16; convert the checkpoint", part.origin(),
                     part.type);
  }
  return std::make_unique<PlainWeight>(std::move(part), found->tensor->dtype, shape);
}

}  // namespace logitfield::io
