#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct XXH3_state_s;

namespace logitfield::io {

/// XXH3, 64 bits.
std::uint64_t hash_bytes(std::span<const std::byte> bytes);

/// XXH3 of bytes that arrive in pieces.
class Hasher {
 public:
  Hasher();
  void update(std::span<const std::byte> bytes);
  std::uint64_t digest() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

/// "xxh3:0123456789abcdef"
std::string hash_text(std::uint64_t hash);

}  // namespace logitfield::io
