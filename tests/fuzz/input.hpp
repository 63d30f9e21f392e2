#pragma once
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "io/error.hpp"

namespace logitfield::fuzz {

/// Runs a target on one input; main.cpp calls it. Any exception, and any failing require(), is a finding.
void check(std::string_view input);

/// Ends the process unless `holds`, a property that every accepted input must have.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "broken property: %s\n", property);
  std::abort();
}

/// False if `read` refuses with its documented error; all other exceptions pass through.
template <class Refusal = InputError, class Read>
bool accepts(Read&& read) {
  try {
    read();
    return true;
  } catch (const Refusal&) {
    return false;
  }
}

/// Splits at the separators: one piece more than there are separators.
inline std::vector<std::string_view> pieces(std::string_view input, char separator) {
  std::vector<std::string_view> out;
  for (std::size_t end; (end = input.find(separator)) != input.npos; input.remove_prefix(end + 1)) {
    out.push_back(input.substr(0, end));
  }
  out.push_back(input);
  return out;
}

}  // namespace logitfield::fuzz
