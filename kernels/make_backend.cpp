#include "kernels/backend.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "kernels/cpu/backend.hpp"
#include "kernels/cuda/backend.hpp"
#include "kernels/device.hpp"

namespace logitfield::kernels {

std::unique_ptr<Backend> make_cpu_backend(Precision precision, const std::string& because) {
  return cpu::make_backend(precision, because);
}

std::unique_ptr<Backend> make_backend(std::string_view name, Precision precision, int local_rank) {
  if (name == "cpu") return make_cpu_backend(precision, {});
  if (name != "auto" && name != "cuda") {
    throw std::runtime_error(fmt::format("no back end is named '{}': use auto, cpu or cuda", name));
  }
  const DeviceList devices = list_devices();
  std::string reason = devices.reason;
  if (!devices.devices.empty()) {
    const Device& own = devices.devices[static_cast<std::size_t>(local_rank) % devices.devices.size()];
    if (own.capability >= kLeastCapability) return cuda::make_backend(precision, local_rank);
    reason = fmt::format("{} has compute capability {}.{}, but {}.{} is needed", own.name, own.capability / 10,
                         own.capability % 10, kLeastCapability / 10, kLeastCapability % 10);
  }
  if (name == "auto") return make_cpu_backend(precision, reason);
  throw std::runtime_error(fmt::format("the back end 'cuda' cannot be had: {}; use --backend cpu", reason));
}

}  // namespace logitfield::kernels
