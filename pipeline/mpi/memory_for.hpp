#pragma once
#include <fmt/format.h>

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace logitfield::mpi {

/// Memory did not suffice; the message says for what, and what to do.
class OutOfMemory : public std::runtime_error {
 public:
  /// `what`: "the weights of layer 3".
  explicit OutOfMemory(const std::string& what);
};

/// Returns f(). If memory does not suffice for it, throws OutOfMemory for what the format and its arguments name; where
/// calls are nested, the innermost names it.
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
