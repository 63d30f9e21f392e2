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

/// From NumPy's name ("u2") or the common one ("uint16"); empty for others.
std::optional<IntegerKind> integer_kind(std::string_view name);
/// Bytes per element.
std::size_t integer_size(IntegerKind kind);
/// The elements; a rest of fewer bytes than an element is dropped.
std::vector<std::int64_t> integers_of(IntegerKind kind, std::span<const std::byte> bytes);

}  // namespace logitfield::io
