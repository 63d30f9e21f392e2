#pragma once
#include <fmt/format.h>

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace logitfield::mpi {

/// Thrown if memory runs out; the message names the purpose and a remedy.
class OutOfMemory : public std::runtime_error {
 public:
  /// `what`: the purpose, for example "the weights of layer 3".
  explicit OutOfMemory(const std::string& what);
};

/// Returns f(). If memory runs out, throws OutOfMemory with the purpose that the format and its arguments name. Of
/// nested calls, the innermost one throws.
template <class F, class... Args>
decltype(auto) memory_for(F&& f, fmt::format_string<const Args&...> format, const Args&... args) {
  try {
    return std::forward<F>(f)();
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(fmt::format(format, args...));
  } catch (const std::length_error&) {
    throw OutOfMemory(fmt::format(format, args...));
  }
}

}  // namespace logitfield::mpi
