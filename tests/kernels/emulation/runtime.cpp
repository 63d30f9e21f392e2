#include "kernels/cuda/runtime.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <mutex>

#include "kernels/device.hpp"

// Device memory for the emulation: pages of the host, so placed that the first byte behind it cannot be touched, full
// of NaNs. Streams do everything at once.
namespace logitfield::kernels {

DeviceList list_devices() { return {{{"emulated on a CPU, for tests", 90, std::size_t{4} << 30}}, {}}; }

namespace cuda {
namespace {

struct Pages {
  void* begin;
  std::size_t bytes;
};
std::map<void*, Pages> pages;

}  // namespace

void check(int status, const char* call, std::size_t) {
  if (status != 0) throw DeviceError(call);
}

Stream::Stream() : handle_(this) {}
Stream::~Stream() = default;
void Stream::wait() const {}

Event::Event(const Stream&) {
  using namespace std::chrono;
  handle_ = reinterpret_cast<void*>(duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
}
Event::~Event() = default;
void Event::hold_back(const Stream&) const {}
void Event::wait() const {}
double Event::since(const Event& earlier) const {
  return 1e-3 * static_cast<double>(reinterpret_cast<std::intptr_t>(handle_) -
                                    reinterpret_cast<std::intptr_t>(earlier.handle_));
}

void* allocate(std::size_t bytes, const Stream&) {
  if (bytes == 0) return nullptr;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t own = (bytes + page - 1) / page * page;
  void* begin = mmap(nullptr, own + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) throw DeviceError("mmap");
  mprotect(static_cast<char*>(begin) + own, page, PROT_NONE);
  std::memset(begin, 0xff, own);
  void* memory = static_cast<char*>(begin) + (own - (bytes + 15) / 16 * 16);
  pages[memory] = {begin, own + page};
  return memory;
}
void release(void* memory, const Stream&) noexcept {
  const auto found = pages.find(memory);
  munmap(found->second.begin, found->second.bytes);
  pages.erase(found);
}
void* allocate_pinned(std::size_t bytes) { return ::operator new(bytes); }
void release_pinned(void* memory) noexcept { ::operator delete(memory); }

void copy(void* to, const void* from, std::size_t bytes, const Stream&) {
  if (bytes > 0) std::memmove(to, from, bytes);
}
void fill_zero(void* memory, std::size_t bytes, const Stream&) {
  if (bytes > 0) std::memset(memory, 0, bytes);
}

void use_device(int) {}
std::size_t free_bytes() { return list_devices().devices[0].memory_bytes; }
std::string describe_device(int) { return "GPU emulated on a CPU, for tests"; }
int host_threads() { return 1; }

}  // namespace cuda
}  // namespace logitfield::kernels
