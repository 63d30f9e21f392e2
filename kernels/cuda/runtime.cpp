#include "kernels/cuda/runtime.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "kernels/device.hpp"

namespace logitfield::kernels {

namespace {

/// Explains an error of the runtime, such as an insufficient driver.
std::string driver_text() {
  int driver = 0, runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || cudaRuntimeGetVersion(&runtime) != cudaSuccess) return {};
  if (driver == 0) return "; no NVIDIA driver is installed";
  return fmt::format("; the driver is for CUDA {}.{}, this program for {}.{}", driver / 1000, driver % 1000 / 10,
                     runtime / 1000, runtime % 1000 / 10);
}

}  // namespace

DeviceList list_devices() {
  int count = 0;
  // Without a GPU the call fails and leaves `count` unset: any code except success means none.
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    return {
        {},
        fmt::format("no CUDA device ({}: {}{})", cudaGetErrorName(status), cudaGetErrorString(status), driver_text())};
  }
  DeviceList list;
  for (int id = 0; id < count; ++id) {
    cudaDeviceProp properties{};
    cuda::check(cudaGetDeviceProperties(&properties, id), "cudaGetDeviceProperties", static_cast<std::size_t>(id));
    list.devices.push_back({properties.name, properties.major * 10 + properties.minor, properties.totalGlobalMem});
  }
  if (list.devices.empty()) list.reason = "no CUDA device";
  return list;
}

namespace cuda {
namespace {

cudaStream_t stream_of(const Stream& stream) { return static_cast<cudaStream_t>(stream.handle()); }
cudaEvent_t event_of(void* handle) { return static_cast<cudaEvent_t>(handle); }

}  // namespace

std::string place_of(const std::source_location& where) {
  return fmt::format("{}:{}", std::filesystem::path(where.file_name()).filename().string(), where.line());
}

void check(int status, const char* call, std::size_t size, const std::source_location& where) {
  const auto code = static_cast<cudaError_t>(status);
  if (code == cudaSuccess) return;
  int device = -1;
  cudaGetDevice(&device);
  const char* remedy =
      code == cudaErrorMemoryAllocation ? "; use shorter contexts, hold fewer layers at a time, or use more GPUs" : "";
  throw DeviceError(fmt::format("{} (size {}) failed on CUDA device {}: {}: {} [{}]{}", call, size, device,
                                cudaGetErrorName(code), cudaGetErrorString(code), place_of(where), remedy));
}

Stream::Stream(Priority priority) {
  cudaStream_t stream;
  int least = 0, greatest = 0;
  check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange", 0);
  check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority == Priority::high ? greatest : least),
        "cudaStreamCreateWithPriority", 0);
  handle_ = stream;
}
Stream::~Stream() { cudaStreamDestroy(stream_of(*this)); }
void Stream::wait() const { check(cudaStreamSynchronize(stream_of(*this)), "cudaStreamSynchronize", 0); }

Event::Event(const Stream& stream, Waiting waiting) {
  cudaEvent_t event;
  const unsigned flags = waiting == Waiting::asleep ? cudaEventBlockingSync : cudaEventDefault;
  check(cudaEventCreateWithFlags(&event, flags), "cudaEventCreateWithFlags", 0);
  handle_ = event;
  move_to(stream);
}
void Event::move_to(const Stream& stream) {
  check(cudaEventRecord(event_of(handle_), stream_of(stream)), "cudaEventRecord", 0);
}
Event::~Event() { cudaEventDestroy(event_of(handle_)); }
void Event::hold_back(const Stream& other) const {
  check(cudaStreamWaitEvent(stream_of(other), event_of(handle_), 0), "cudaStreamWaitEvent", 0);
}
void Event::wait() const { check(cudaEventSynchronize(event_of(handle_)), "cudaEventSynchronize", 0); }
double Event::since(const Event& earlier) const {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, event_of(earlier.handle_), event_of(handle_)), "cudaEventElapsedTime", 0);
  return milliseconds;
}

void* allocate(std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  check(cudaMallocAsync(&memory, bytes, stream_of(stream)), "cudaMallocAsync", bytes);
  return memory;
}
void release(void* memory, const Stream& stream) noexcept { cudaFreeAsync(memory, stream_of(stream)); }

void* allocate_pinned(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "cudaMallocHost", bytes);
  return memory;
}
void release_pinned(void* memory) noexcept { cudaFreeHost(memory); }

void copy(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)), "cudaMemcpyAsync", bytes);
}
void fill_zero(void* memory, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  check(cudaMemsetAsync(memory, 0, bytes, stream_of(stream)), "cudaMemsetAsync", bytes);
}

std::size_t most_shared_memory() {
  int most = 0;
  const int device = current_device();
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute", 0);
  return static_cast<std::size_t>(most);
}

void allow_shared_memory(const void* kernel, const char* name, std::size_t bytes) {
  constexpr std::size_t kWithoutAsking = 48 * 1024;
  if (bytes <= kWithoutAsking) return;
  const std::size_t most = most_shared_memory();
  if (bytes > most) {
    throw DeviceError(fmt::format(
        "the kernel '{}' needs {} bytes of shared memory per block for heads of this size, but CUDA device {} has {}; "
        "compute in bfloat16, or on CPUs",
        name, bytes, current_device(), most));
  }
  // Set to the device's maximum, not to `bytes`, so that threads that launch the same kernel with other sizes set the
  // same value.
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most)), name, bytes);
}

void use_device(int number) {
  check(cudaSetDevice(number), "cudaSetDevice", static_cast<std::size_t>(number));
  // Freed memory stays in the pool: the next layer takes it again.
  cudaMemPool_t pool;
  check(cudaDeviceGetDefaultMemPool(&pool, number), "cudaDeviceGetDefaultMemPool", 0);
  std::uint64_t all = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all), "cudaMemPoolSetAttribute", 0);
}

int current_device() {
  int number = 0;
  check(cudaGetDevice(&number), "cudaGetDevice", 0);
  return number;
}

std::size_t free_bytes() {
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo", 0);
  return free;
}

std::string device_identity(int number) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, number), "cudaGetDeviceProperties", static_cast<std::size_t>(number));
  return {properties.uuid.bytes, sizeof properties.uuid.bytes};
}

std::string describe_device(int number) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, number), "cudaGetDeviceProperties", static_cast<std::size_t>(number));
  int runtime = 0;
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion", 0);
  return fmt::format("GPU {} ({}.{}, {:.1f} GiB), CUDA {}.{}", properties.name, properties.major, properties.minor,
                     static_cast<double>(properties.totalGlobalMem) / (1 << 30), runtime / 1000, runtime % 1000 / 10);
}

int host_threads() {
  int devices = 1;
  check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount", 0);
  // If a launcher binds ranks to cores, it has divided the cores; else they are divided by the number of GPUs.
  constexpr int kMost = 16;  // more would wait for the device
  const int own = static_cast<int>(std::thread::hardware_concurrency());
  const bool bound = own < ::sysconf(_SC_NPROCESSORS_ONLN);
  return std::clamp(bound ? own : own / devices, 1, kMost);
}

}  // namespace cuda
}  // namespace logitfield::kernels
