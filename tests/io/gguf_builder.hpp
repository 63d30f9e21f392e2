#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace logitfield::testing {

/// Bytes of a GGUF file, piece by piece; nothing is checked, so that damaged files can be made too.
class GgufBuilder {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;

  static std::string text(std::string_view value) { return number<std::uint64_t>(value.size()) + std::string(value); }
  template <class Number>
  static std::string number(Number value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }

  /// Adds a metadata value as the bytes of a type.
  GgufBuilder& raw_value(std::string_view key, std::uint32_t type, const std::string& bytes) {
    metadata_ += text(key) + number(type) + bytes;
    ++num_values_;
    return *this;
  }
  GgufBuilder& set(std::string_view key, std::uint32_t value) { return raw_value(key, 4, number(value)); }
  GgufBuilder& set(std::string_view key, float value) { return raw_value(key, 6, number(value)); }
  GgufBuilder& set(std::string_view key, bool value) { return raw_value(key, 7, std::string(1, value ? '\1' : '\0')); }
  GgufBuilder& set(std::string_view key, const char* value) { return raw_value(key, 8, text(value)); }
  GgufBuilder& set(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = number<std::uint32_t>(8) + number<std::uint64_t>(values.size());
    for (const std::string& value : values) bytes += text(value);
    return raw_value(key, 9, bytes);
  }
  GgufBuilder& set(std::string_view key, const std::vector<std::int32_t>& values) { return numbers(key, 5, values); }
  GgufBuilder& set(std::string_view key, const std::vector<float>& values) { return numbers(key, 6, values); }

  /// Adds a row of the table; `axes` has the fastest axis first.
  GgufBuilder& row(std::string_view name, const std::vector<std::uint64_t>& axes, std::uint32_t type,
                   std::uint64_t offset) {
    table_ += text(name) + number(static_cast<std::uint32_t>(axes.size()));
    for (const std::uint64_t axis : axes) table_ += number(axis);
    table_ += number(type) + number(offset);
    ++num_tensors_;
    return *this;
  }
  /// Adds a tensor behind the last.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& axes, std::uint32_t type,
                      std::string_view bytes) {
    data_.resize(aligned(data_.size()));
    row(name, axes, type, data_.size());
    data_ += bytes;
    return *this;
  }
  GgufBuilder& data(std::size_t bytes) {
    data_.resize(bytes);
    return *this;
  }

  std::string build() const {
    std::string out = "GGUF" + number(version) + number(num_tensors_) + number(num_values_) + metadata_ + table_;
    out.resize(aligned(out.size()));
    return out + data_;
  }

 private:
  template <class Number>
  GgufBuilder& numbers(std::string_view key, std::uint32_t type, const std::vector<Number>& values) {
    std::string bytes = number(type) + number<std::uint64_t>(values.size());
    for (const Number value : values) bytes += number(value);
    return raw_value(key, 9, bytes);
  }
  std::size_t aligned(std::size_t size) const { return (size + alignment - 1) / alignment * alignment; }

  std::string metadata_, table_, data_;
  std::uint64_t num_values_ = 0, num_tensors_ = 0;
};

}  // namespace logitfield::testing
