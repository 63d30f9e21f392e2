#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace logitfield::io {

/// Reads the header of a GGUF file from front to back. Throws InputError naming file and position if the file ends too
/// soon.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, std::string path);

  std::size_t position() const { return position_; }
  const std::string& path() const { return path_; }

  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof(Number)).data(), sizeof(Number));
    return value;
  }
  std::string text();
  /// Reads a type, then a metadata value of this type; `key` is used in messages.
  nlohmann::json value(const std::string& key);

  /// Throws InputError with the fault `what`, and with the advice to copy the file again.
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::span<const std::byte> take(std::uint64_t count);
  nlohmann::json value_of(std::uint32_t type, const std::string& key);
  nlohmann::json list(const std::string& key);

  std::span<const std::byte> bytes_;
  std::string path_;
  std::size_t position_ = 0;
  /// Number of values in the lists so far.
  std::uint64_t listed_ = 0;
};

}  // namespace logitfield::io
