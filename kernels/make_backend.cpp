#include "kernels/backend.hpp"

#include <fmt/format.h>

#include "kernels/cpu/backend.hpp"
#include "kernels/cuda/backend.hpp"
#include "kernels/device.hpp"

namespace logitfield::kernels {

std::unique_ptr<Backend> make_cpu_backend(Precision precision, const std::string& because) {
  return cpu::make_backend(precision, because);
}

std::unique_ptr<Backend> make_backend(BackendKind kind, Precision precision, int local_rank) {
  if (kind == BackendKind::cpu) return make_cpu_backend(precision, {});
  const DeviceList devices = list_devices();
  std::string reason = devices.reason;
  if (!devices.devices.empty()) {
    const Device& own = devices.devices[static_cast<std::size_t>(local_rank) % devices.devices.size()];
    if (own.capability >= kLeastCapability) return cuda::make_backend(precision, local_rank);
    reason = fmt::format("{} has compute capability {}.{}, but {}.{} is needed", own.name, own.capability / 10,
                         own.capability % 10, kLeastCapability / 10, kLeastCapability % 10);
  }
  if (kind == BackendKind::automatic) return make_cpu_backend(precision, reason);
  throw BackendUnavailable(fmt::format("the back end 'cuda' is not available: {}", reason));
}

}  // namespace logitfield::kernels
