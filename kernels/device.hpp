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

/// The least compute capability that kernels/cuda is written for.
inline constexpr int kLeastCapability = 80;

/// Most columns of a head whose attention it computes. Heads that are only measured may be wider.
inline constexpr int kMostDeviceHeadColumns = 256;

/// The GPUs that this process could use; where there are none, why, and whether the program could use any.
struct DeviceList {
  std::vector<Device> devices;
  std::string reason;
  bool supported = true;
};
DeviceList list_devices();

/// Of the device that a back end computes with: its name among all of the host, what is free of its memory beside what
/// libraries take, and how many host threads measure fields on it at a time.
struct DeviceMemory {
  std::string identity;
  std::size_t free_bytes = 0;
  int workers = 1;
};

}  // namespace logitfield::kernels
