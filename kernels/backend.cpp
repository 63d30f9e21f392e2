#include "kernels/backend.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "kernels/cpu/backend.hpp"
#include "kernels/cuda/backend.hpp"
#include "kernels/device.hpp"

namespace logitfield::kernels {

std::unique_ptr<Backend> make_backend(std::string_view name, Precision precision, int local_rank) {
  if (name == "cpu") return cpu::make_backend(precision);
  if (name != "auto" && name != "cuda") {
    throw std::runtime_error(fmt::format("no back end is named '{}': use auto, cpu or cuda", name));
  }
  const DeviceList devices = list_devices();
  if (!devices.devices.empty()) return cuda::make_backend(precision, local_rank);
  if (name == "auto") return cpu::make_backend(precision, devices.reason);
  throw std::runtime_error(fmt::format("the back end 'cuda' cannot be had: {}; use --backend cpu", devices.reason));
}

}  // namespace logitfield::kernels
