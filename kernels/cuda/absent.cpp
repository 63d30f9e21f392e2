#include "kernels/cuda/backend.hpp"
#include "kernels/device.hpp"

namespace logitfield::kernels {

DeviceList list_devices() { return {{}, "this program was built without CUDA (LOGITFIELD_CUDA=OFF)", false}; }

namespace cuda {

std::unique_ptr<Backend> make_backend(Precision, int) { throw BackendUnavailable(list_devices().reason); }

}  // namespace cuda
}  // namespace logitfield::kernels
