#pragma once
#include <algorithm>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// Rows of a tile. Its float64 copy and a product of it fit in the second-level cache.
inline constexpr Index kTileRows = 256;

// Logits are formed only inside a tile; running sums cover the rows before and after it. field/cost counts by these
// sizes. If a size changes, measured rates no longer hold: calibrate again.
/// Rows of a tile where energies are summed.
inline constexpr Index kEnergyTile = 48;
/// Rows of a tile where the field is applied to blocks of 16 to 32 vectors; the logits of all tiles are kept.
inline constexpr Index kOperatorTile = 32;
/// The most tiles at the two edges of a window, in which logits are formed.
inline constexpr Index kEdgeTiles = 3;

/// Calls visit(begin, count) for consecutive tiles of `rows` rows.
template <class Visit>
void for_tiles(Index rows, Index tile_rows, Visit&& visit) {
  for (Index begin = 0; begin < rows; begin += tile_rows) visit(begin, std::min(tile_rows, rows - begin));
}

}  // namespace logitfield::kernels
