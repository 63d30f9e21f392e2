#include "kernels/precision.hpp"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

namespace logitfield::kernels {
namespace {

constexpr std::array<std::string_view, 3> kNames{"float32", "tf32", "bf16"};

}  // namespace

std::string_view precision_name(Precision precision) { return kNames[static_cast<std::size_t>(precision)]; }

Precision precision_named(std::string_view name) {
  for (std::size_t p = 0; p < kNames.size(); ++p) {
    if (kNames[p] == name) return static_cast<Precision>(p);
  }
  throw std::invalid_argument(fmt::format("unknown precision '{}': use float32, tf32 or bf16", name));
}

}  // namespace logitfield::kernels
