#include "cuda_device.hpp"
#include "emulation/language.hpp"

namespace logitfield::testing {

void for_thread_orders(const std::function<void()>& test) {
  for (const unsigned seed : {0U, 1U, 2U}) {
    SCOPED_TRACE("thread order " + std::to_string(seed));
    emulation::set_seed(seed);
    test();
  }
  emulation::set_seed(0);
}

void with_shared_memory(std::size_t bytes, const std::function<void()>& test) {
  SCOPED_TRACE(std::to_string(bytes) + " bytes of shared memory");
  emulation::set_shared_bytes(bytes);
  test();
  emulation::set_shared_bytes(emulation::kSharedBytes);
}

}  // namespace logitfield::testing
