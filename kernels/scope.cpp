#include "kernels/scope.hpp"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

namespace logitfield::kernels {
namespace {

constexpr std::array<std::string_view, 4> kScopeNames{"full", "causal", "causal-mean", "causal-unwindowed"};

}  // namespace

std::string_view scope_name(Scope scope) { return kScopeNames[static_cast<std::size_t>(scope)]; }

Scope scope_named(std::string_view name) {
  for (std::size_t s = 0; s < kScopeNames.size(); ++s) {
    if (kScopeNames[s] == name) return static_cast<Scope>(s);
  }
  throw std::invalid_argument(
      fmt::format("unknown scope '{}': use full, causal, causal-mean or causal-unwindowed", name));
}

}  // namespace logitfield::kernels
