#pragma once
#include <cstddef>
#include <string_view>

#include "io/hash.hpp"
#include "io/safetensors.hpp"

namespace logitfield::io {

/// Throws InputError at the first NaN or infinity among `count` elements from element `first` on, naming file, tensor,
/// index and value; `axes` says in the message what the index counts ("head, row, component").
void require_finite(const SafetensorsFile& file, const Tensor& tensor, std::size_t first, std::size_t count,
                    std::string_view axes);

/// require_finite for the whole tensor, and its type, shape, name and bytes added to the hash. Reads in pieces and lets
/// go of the pages.
void check_and_hash(const SafetensorsFile& file, const Tensor& tensor, std::string_view axes, Hasher& hasher);

}  // namespace logitfield::io
