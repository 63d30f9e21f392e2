#include "kernels/device.hpp"

namespace logitfield::kernels {

DeviceList list_devices() { return {{}, "this program was built without CUDA (LOGITFIELD_CUDA=OFF)"}; }

}  // namespace logitfield::kernels
