#include <array>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {

std::string_view route_name(Route route) {
  constexpr std::array<std::string_view, 4> names{"factored", "krylov", "dense", "scalapack"};
  return names[static_cast<std::size_t>(route)];
}

}  // namespace logitfield::kernels
