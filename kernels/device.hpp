#pragma once
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace logitfield::kernels {

/// Thrown if a back end is not available here, or not in this precision; gives the reason.
struct BackendUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Thrown if the CPU back end has no products of this precision here.
struct PrecisionUnavailable : BackendUnavailable {
  using BackendUnavailable::BackendUnavailable;
};

/// Where to compute; `automatic` takes a GPU if there is a usable one.
enum class BackendKind { automatic, cpu, cuda };

/// A GPU, as the driver describes it.
struct Device {
  std::string name;
  /// Compute capability, 90 for 9.0.
  int capability = 0;
  std::size_t memory_bytes = 0;
};

/// The lowest compute capability that kernels/cuda supports.
inline constexpr int kLeastCapability = 80;

/// Most columns of a head whose attention a device computes. Heads that are only measured may be wider.
inline constexpr int kMostDeviceHeadColumns = 256;
/// A device pads the columns of a head in bfloat16 to a multiple of this number, because tensor cores need it.
inline constexpr int kDeviceHeadMultiple = 16;

/// The GPUs that this process could use. If there are none: the reason, and whether this program supports GPUs at all.
struct DeviceList {
  std::vector<Device> devices;
  std::string reason;
  bool supported = true;
};
DeviceList list_devices();

/// The device of a back end: its name among all devices of the host, and the memory that libraries leave free.
/// `workers`: the number of host threads that measure fields on it at the same time.
struct DeviceMemory {
  std::string identity;
  std::size_t free_bytes = 0;
  int workers = 1;
};

}  // namespace logitfield::kernels
