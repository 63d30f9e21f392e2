#include "io/weights/quantised_weight.hpp"

#include <algorithm>

#include "io/dtype.hpp"
#include "io/hash.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {
namespace {

std::span<const std::byte> bytes_of_floats(std::span<const float> values) { return std::as_bytes(values); }

void store(std::span<const float> values, float* target) { std::ranges::copy(values, target); }
void store(std::span<const float> values, std::uint16_t* target) {
  to_bfloat16(DType::F32, bytes_of_floats(values).data(), {target, values.size()});
}

}  // namespace

template <class Visit>
void QuantisedWeight::for_each_tile(Slice rows, Slice columns, const Visit& visit) const {
  constexpr std::int64_t kTileNumbers = 1 << 18;
  const bool by_rows = lines() == Lines::rows;
  const Slice along = by_rows ? rows : columns;
  const std::int64_t length = std::max<std::int64_t>(1, (by_rows ? columns : rows).size());
  const std::int64_t together = lines_together();
  const std::int64_t step = std::max<std::int64_t>(1, kTileNumbers / length / together) * together;
  for (std::int64_t begin = along.begin; begin < along.end;) {
    const Slice tile{begin, std::min(begin / together * together + step, along.end)};
    const std::span<const std::byte> bytes = bytes_of(tile);
    by_rows ? visit(tile, columns, bytes) : visit(rows, tile, bytes);
    release_pages(bytes);
    begin = tile.end;
  }
}

template <class Number>
void QuantisedWeight::read_tiles(Slice rows, Slice columns, std::span<Number> target) const {
  require_inside(rows, columns, target.size());
  std::vector<float> tile;
  BlockCheck check(parts().front(), blocks_of(0));
  for_each_tile(rows, columns, [&](Slice tile_rows, Slice tile_columns, std::span<const std::byte> bytes) {
    const auto width = static_cast<std::size_t>(tile_columns.size());
    tile.resize(static_cast<std::size_t>(tile_rows.size()) * width);
    dequantise(tile_rows, tile_columns, tile);
    Number* out = target.data() + (tile_rows.begin - rows.begin) * columns.size() + tile_columns.begin - columns.begin;
    for (std::size_t begin = 0; begin < tile.size(); begin += width, out += columns.size()) {
      store(std::span(tile).subspan(begin, width), out);
    }
    check.used(bytes);
  });
  check.finish();
  for (std::size_t i = 1; i < parts().size(); ++i) compare_all(parts()[i], blocks_of(i));
}

void QuantisedWeight::read(Slice rows, Slice columns, std::span<float> target) const {
  read_tiles(rows, columns, target);
}

void QuantisedWeight::read(Slice rows, Slice columns, std::span<std::uint16_t> target) const {
  read_tiles(rows, columns, target);
}

void QuantisedWeight::prefetch(Slice rows, Slice columns) const {
  parts().front().file->prefetch(bytes_of(lines() == Lines::rows ? rows : columns));
}

void QuantisedWeight::refuse_number(std::int64_t row, std::int64_t column, float value) const {
  refuse_not_finite(parts().front(), value, "row, column", {row, column});
}

Fingerprint QuantisedWeight::check_and_hash() const {
  Hasher hasher;
  BlockHashes blocks;
  for (const StoredPart& part : parts()) {
    const BlockHashes own = hash_part(part, hasher);
    blocks.insert(blocks.end(), own.begin(), own.end());
  }
  check_scales();
  std::vector<float> tile;
  for_each_tile({0, num_rows()}, {0, num_columns()}, [&](Slice rows, Slice columns, std::span<const std::byte>) {
    tile.resize(static_cast<std::size_t>(rows.size() * columns.size()));
    dequantise(rows, columns, tile);
    const auto found = first_non_finite(DType::F32, bytes_of_floats(tile).data(), tile.size());
    if (!found) return;
    const auto place = static_cast<std::int64_t>(*found);
    refuse_number(rows.begin + place / columns.size(), columns.begin + place % columns.size(), tile[*found]);
  });
  release();
  return {hasher.digest(), std::move(blocks)};
}

}  // namespace logitfield::io
