#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace logitfield::kernels {

/// A GPU, as the driver describes it.
struct Device {
  std::string name;
  /// Compute capability, 90 for 9.0.
  int capability = 0;
  std::size_t memory_bytes = 0;
};

/// The GPUs that this process could use; where there are none, why.
struct DeviceList {
  std::vector<Device> devices;
  std::string reason;
};
DeviceList list_devices();

}  // namespace logitfield::kernels
