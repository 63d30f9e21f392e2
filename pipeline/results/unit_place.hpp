#pragma once
#include <compare>
#include <cstdint>

namespace logitfield {

/// The unit of progress: a layer of a text. Written {.text = ..., .layer = ...}, so that the two cannot be swapped.
struct UnitPlace {
  std::int64_t text = 0, layer = 0;
  auto operator<=>(const UnitPlace&) const = default;
};

}  // namespace logitfield
