#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/dtype.hpp"
#include "io/error.hpp"
#include "io/hash.hpp"
#include "io/safetensors.hpp"
#include "io/weights/stored_weight.hpp"

namespace logitfield::io {

/// Thrown for a NaN or an infinity where a finite number is needed; gives its place.
class NotFiniteError : public InputError {
 public:
  NotFiniteError(const std::string& message, std::string name, std::vector<std::int64_t> place, float found)
      : InputError("{}", message), tensor(std::move(name)), index(std::move(place)), value(found) {}

  std::string tensor;
  /// The index along every axis.
  std::vector<std::int64_t> index;
  float value;
};

/// Returns the position of an element along every axis.
std::vector<std::int64_t> unravel(std::size_t element, std::span<const std::int64_t> shape);

/// Throws NotFiniteError naming file, tensor, index and value. `axes` names the axes of the index in the message
/// ("head, row, component").
[[noreturn]] void refuse_not_finite(const StoredPart& part, float value, std::string_view axes,
                                    const std::vector<std::int64_t>& index);

/// Throws NotFiniteError for the first NaN or infinity among `count` elements from element `first` on; `type` must be
/// an is_float_weight type.
void require_finite(const StoredPart& part, DType type, std::size_t first, std::size_t count, std::string_view axes);
void require_finite(const SafetensorsFile& file, const Tensor& tensor, std::size_t first, std::size_t count,
                    std::string_view axes);

/// Adds type, shape, name and bytes to the hash; returns the hashes of the blocks. Reads in pieces, calls visit (if
/// there is one) for the bytes of each, and releases their pages.
BlockHashes hash_part(const StoredPart& part, Hasher& hasher,
                      const std::function<void(std::size_t begin, std::size_t count)>& visit = nullptr);

/// Whether values must be finite.
enum class Finite { required, not_required };

/// Calls require_finite for the whole part, or tensor, if `finite` says so, and adds its type, shape, name and bytes to
/// the hash. Returns the hashes of the blocks.
BlockHashes check_and_hash(const StoredPart& part, DType type, std::string_view axes, Finite finite, Hasher& hasher);
BlockHashes check_and_hash(const SafetensorsFile& file, const Tensor& tensor, std::string_view axes, Finite finite,
                           Hasher& hasher);

/// Returns the tensor as a part of a weight.
StoredPart part_of(const SafetensorsFile& file, const Tensor& tensor);

}  // namespace logitfield::io
