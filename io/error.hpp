#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace logitfield {

/// Reports bad input or usage. The message names the file, tensor and value at fault and the remedy; the program exits
/// with 2.
class InputError : public std::runtime_error {
 public:
  template <class... Args>
  explicit InputError(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

}  // namespace logitfield
