#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

namespace logitfield::testing {

/// FNV-1a over token ids, as ids_hash of tests/development/make_tokenizer_fixtures.py.
inline std::string ids_hash(const std::vector<std::int32_t>& ids) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const std::int32_t id : ids) hash = (hash ^ static_cast<std::uint32_t>(id)) * 0x100000001B3;
  return fmt::format("{:016x}", hash);
}

}  // namespace logitfield::testing
