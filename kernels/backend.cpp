#include "kernels/backend.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "kernels/cpu/backend.hpp"
#include "kernels/device.hpp"

namespace logitfield::kernels {

std::unique_ptr<Backend> make_backend(std::string_view name) {
  if (name == "auto" || name == "cpu") return cpu::make_backend();
  if (name != "cuda") throw std::runtime_error(fmt::format("no back end is named '{}': use auto, cpu or cuda", name));
  const DeviceList devices = list_devices();
  throw std::runtime_error(fmt::format("the back end 'cuda' cannot be had: {}; use --backend cpu",
                                       devices.reason.empty() ? "this version computes on CPUs only" : devices.reason));
}

}  // namespace logitfield::kernels
