#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace logitfield::io {

/// Types of little-endian integers in files of token ids.
enum class IntegerKind { i1, i2, i4, i8, u1, u2, u4 };

/// Returns the kind with this name, of NumPy ("u2") or the common one ("uint16"); nothing for others.
std::optional<IntegerKind> integer_kind(std::string_view name);
/// Returns the bytes per element.
std::size_t integer_size(IntegerKind kind);
/// Returns the elements. Left-over bytes, fewer than an element has, are dropped.
std::vector<std::int64_t> integers_of(IntegerKind kind, std::span<const std::byte> bytes);

}  // namespace logitfield::io
