#include "kernels/cuda/runtime.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <string_view>

#include "emulation/language.hpp"
#include "kernels/device.hpp"

// Device memory of the emulation: pages of the host, filled with emulation::fresh_byte() and placed so that access to
// the first byte behind the memory faults. Streams execute everything at once.
namespace logitfield::kernels {

/// A device with LOGITFIELD_EMULATED_MEMORY bytes, by default 4 GiB; no device if it is 0.
DeviceList list_devices() {
  const char* bytes = std::getenv("LOGITFIELD_EMULATED_MEMORY");
  if (bytes && std::string_view(bytes) == "0") return {{}, "none is emulated"};
  return {{{"emulated on a CPU, for tests", 90, bytes ? std::stoull(bytes) : std::size_t{4} << 30}}, {}};
}

namespace cuda {
namespace {

struct Pages {
  void* begin;
  std::size_t mapped, bytes;
};
std::mutex in_use;  // several threads measure fields and load layers
std::map<void*, Pages> pages;
std::size_t held = 0, most = 0;

/// Writes the peak of device memory to the file of that name when the program ends; plans are compared with it.
struct PeakReport {
  ~PeakReport() {
    if (const char* file = std::getenv("LOGITFIELD_EMULATED_PEAK")) std::ofstream(file) << most;
  }
} report;

}  // namespace

void check(int status, const char* call, std::size_t, const std::source_location&) {
  if (status != 0) throw DeviceError(call);
}

Stream::Stream(Priority) : handle_(this) {}
Stream::~Stream() = default;
void Stream::wait() const {}

Event::Event(const Stream& stream, Waiting) { move_to(stream); }
void Event::move_to(const Stream&) {
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
  std::memset(begin, emulation::fresh_byte(), own);
  void* memory = static_cast<char*>(begin) + (own - (bytes + 15) / 16 * 16);
  const std::scoped_lock lock(in_use);
  pages[memory] = {begin, own + page, bytes};
  most = std::max(most, held += bytes);
  return memory;
}
void release(void* memory, const Stream&) noexcept {
  const std::scoped_lock lock(in_use);
  const auto found = pages.find(memory);
  munmap(found->second.begin, found->second.mapped);
  held -= found->second.bytes;
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

std::size_t most_shared_memory() { return emulation::shared_bytes(); }
void use_device(int) {}
int current_device() { return 0; }
std::size_t free_bytes() { return list_devices().devices[0].memory_bytes; }
std::string device_identity(int) { return "emulated"; }
std::string describe_device(int) { return "GPU emulated on a CPU, for tests"; }
int host_threads() { return 3; }

}  // namespace cuda
}  // namespace logitfield::kernels
