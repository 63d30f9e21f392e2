#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.hpp"
#include "io/hash.hpp"
#include "io/safetensors.hpp"

namespace logitfield::io {

/// A NaN or an infinity where a number is needed, and its place.
class NotFiniteError : public InputError {
 public:
  NotFiniteError(const std::string& message, std::string name, std::vector<std::int64_t> place, float found)
      : InputError("{}", message), tensor(std::move(name)), index(std::move(place)), value(found) {}

  std::string tensor;
  /// Along every axis.
  std::vector<std::int64_t> index;
  float value;
};

/// Throws NotFiniteError at the first NaN or infinity among `count` elements from element `first` on, naming file,
/// tensor, index and value. `axes` names the axes of the index in the message ("head, row, component").
void require_finite(const SafetensorsFile& file, const Tensor& tensor, std::size_t first, std::size_t count,
                    std::string_view axes);

/// Whether values have to be finite.
enum class Finite { required, not_required };

/// Calls require_finite for the whole tensor where that is required, and adds its type, shape, name and bytes to the
/// hash. Reads in pieces and releases the pages.
void check_and_hash(const SafetensorsFile& file, const Tensor& tensor, std::string_view axes, Finite finite,
                    Hasher& hasher);

}  // namespace logitfield::io
