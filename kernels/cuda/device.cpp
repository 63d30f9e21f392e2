#include "kernels/device.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <stdexcept>

namespace logitfield::kernels {

DeviceList list_devices() {
  int count = 0;
  // Without a GPU the call fails and leaves `count` unset: any code but success means none.
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    return {{}, fmt::format("no CUDA device ({}: {})", cudaGetErrorName(status), cudaGetErrorString(status))};
  }
  DeviceList list;
  for (int id = 0; id < count; ++id) {
    cudaDeviceProp properties{};
    if (const cudaError_t status = cudaGetDeviceProperties(&properties, id); status != cudaSuccess) {
      throw std::runtime_error(
          fmt::format("cudaGetDeviceProperties of device {} failed: {}", id, cudaGetErrorString(status)));
    }
    list.devices.push_back({properties.name, properties.major * 10 + properties.minor, properties.totalGlobalMem});
  }
  return list;
}

}  // namespace logitfield::kernels
