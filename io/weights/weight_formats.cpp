#include "io/weights/weight_formats.hpp"

#include "io/error.hpp"
#include "io/weights/awq_weight.hpp"
#include "io/weights/compressed_integer_weight.hpp"
#include "io/weights/fp8_weight.hpp"
#include "io/weights/gptq_weight.hpp"
#include "io/weights/mxfp4_weight.hpp"
#include "io/weights/parts.hpp"
#include "io/weights/plain_weight.hpp"

namespace logitfield::io {
namespace {

/// Null if the files hold no such weight in the checkpoint's format.
std::unique_ptr<StoredWeight> open_quantised(const WeightRequest& request) {
  if (!request.quantisation || request.shape.size() != 2) return nullptr;
  switch (request.quantisation->method) {
    case Quantisation::Method::float8:
      return open_fp8_weight(request);
    case Quantisation::Method::compressed_tensors:
      if (auto float8 = open_fp8_weight(request)) return float8;
      return open_compressed_integer_weight(request);
    case Quantisation::Method::mxfp4:
      return open_mxfp4_weight(request);
    case Quantisation::Method::gptq:
      return open_gptq_weight(request);
    case Quantisation::Method::awq:
      return open_awq_weight(request);
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<StoredWeight> open_weight(const WeightRequest& request) {
  const StackPlace place = place_of(request.name);
  const std::optional<FileTensor> found = request.find(place.tensor);
  if (!found || !is_float_weight(found->tensor->dtype)) {
    if (auto quantised = open_quantised(request)) return quantised;
  }
  if (!found) return nullptr;
  const TypedPart whole(*found);
  require_type(whole, {DType::F32, DType::F16, DType::BF16});
  const StoredPart part = place.index ? unstacked(whole, *place.index) : StoredPart(whole);
  require_shape(part, request.shape);
  return std::make_unique<PlainWeight>(part, whole.dtype, request.shape);
}

}  // namespace logitfield::io
