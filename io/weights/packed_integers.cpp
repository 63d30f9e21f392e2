#include "io/weights/packed_integers.hpp"

#include "io/error.hpp"

namespace logitfield::io {

PackedIntegers open_packed_integers(const WeightRequest& request, const FileTensor& found,
                                    const std::vector<std::int64_t>& shape) {
  const std::int64_t bits = request.quantisation->bits, outputs = request.shape[0], inputs = request.shape[1];
  const std::int64_t group = request.quantisation->group_size > 0 ? request.quantisation->group_size : inputs;
  const TypedPart numbers(found);
  require_type(numbers, {DType::I32});
  if (inputs * bits % 32 != 0 || outputs * bits % 32 != 0) {
    throw InputError("{}: a matrix {} of {} bits a number does not fill words; use the unquantised weights",
                     numbers.origin(), shape_text(request.shape), bits);
  }
  require_shape(numbers, shape);
  const TypedPart zeros = require_part(request.find, request.module() + ".qzeros", numbers);
  const TypedPart scales = require_part(request.find, request.module() + ".scales", numbers);
  const std::int64_t groups = (inputs + group - 1) / group;
  require_type(zeros, {DType::I32});
  require_shape(zeros, {groups, outputs * bits / 32});
  require_type(scales, {DType::F32, DType::F16, DType::BF16});
  require_shape(scales, {groups, outputs});
  return {numbers, zeros, scales, bits, group};
}

}  // namespace logitfield::io
