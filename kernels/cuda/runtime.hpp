#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace logitfield::kernels::cuda {

/// A failed CUDA or cuBLAS call: which call, where, on which device and with what size, and the remedy if one is known.
class DeviceError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Returns file and line, for example "runtime.cpp:51".
std::string place_of(const std::source_location& where);
/// Throws DeviceError if `status` (a cudaError_t) is not success.
void check(int status, const char* call, std::size_t size,
           const std::source_location& where = std::source_location::current());

/// Priority of a stream's work that waits for room on the device.
enum class Priority { normal, high };

/// A queue of work on a device, done in order. Created on the calling thread's current device.
class Stream {
 public:
  explicit Stream(Priority priority = Priority::normal);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void* handle() const { return handle_; }
  /// Waits for all started work; throws the error of failed work.
  void wait() const;

 private:
  void* handle_ = nullptr;
};

/// How the host waits. `awake` occupies a core; `asleep` leaves the core to others, but notices the event later.
enum class Waiting { awake, asleep };

/// A point in the work of a stream; another stream, or the host, can wait for it.
class Event {
 public:
  explicit Event(const Stream& stream, Waiting waiting = Waiting::awake);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Moves the event to the end of the stream's present work. This is cheaper than a new event.
  void move_to(const Stream& stream);
  void hold_back(const Stream& other) const;
  void wait() const;
  /// Milliseconds between two events that have both passed.
  double since(const Event& earlier) const;

 private:
  void* handle_ = nullptr;
};

/// `bytes` of device memory, or of page-locked host memory, aligned for any type; null if bytes is 0. Device memory
/// belongs to the stream: it is allocated and freed in the order of its work.
void* allocate(std::size_t bytes, const Stream& stream);
void release(void* memory, const Stream& stream) noexcept;
void* allocate_pinned(std::size_t bytes);
void release_pinned(void* memory) noexcept;

/// Copies between any two of host and device. With host memory that is not page-locked, the host waits.
void copy(void* to, const void* from, std::size_t bytes, const Stream& stream);
void fill_zero(void* memory, std::size_t bytes, const Stream& stream);

/// Device memory for `size` values, uninitialised. The stream must outlive it.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::int64_t size, const Stream& stream)
      : data_(static_cast<T*>(allocate(static_cast<std::size_t>(size) * sizeof(T), stream))),
        size_(size),
        stream_(&stream) {}
  /// Copies host values.
  Buffer(std::span<const T> values, const Stream& stream) : Buffer(static_cast<std::int64_t>(values.size()), stream) {
    copy(data_, values.data(), values.size_bytes(), stream);
  }
  ~Buffer() {
    if (data_) release(data_, *stream_);
  }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(stream_, other.stream_);
    return *this;
  }

  /// Makes the memory be freed in the order of this stream, which must have waited for the other by then.
  void release_in(const Stream& stream) { stream_ = &stream; }

  T* data() const { return data_; }
  std::int64_t size() const { return size_; }
  void zero() { fill_zero(data_, static_cast<std::size_t>(size_) * sizeof(T), *stream_); }
  /// Copies values first ... first + target.size() - 1 to the host and waits.
  void read(std::span<T> target, std::int64_t first = 0) const {
    copy(target.data(), data_ + first, target.size_bytes(), *stream_);
    stream_->wait();
  }
  std::vector<T> read() const {
    std::vector<T> out(static_cast<std::size_t>(size_));
    read(out);
    return out;
  }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
  const Stream* stream_ = nullptr;
};

/// Page-locked host memory: copies from it run in parallel with the host.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::size_t bytes) : data_(static_cast<std::byte*>(allocate_pinned(bytes))), bytes_(bytes) {}
  ~PinnedBuffer() { release_pinned(data_); }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  std::size_t bytes_;
};

/// Allows a kernel, which has no static shared memory, this much dynamic shared memory per block. Safe to call from
/// several threads at once. Throws DeviceError if the device has less.
void allow_shared_memory(const void* kernel, const char* name, std::size_t bytes);
/// Returns the most bytes that allow_shared_memory allows on the calling thread's device.
std::size_t most_shared_memory();

/// Makes device `number` the calling thread's current device.
void use_device(int number);
int current_device();
/// Returns the bytes that are free now on the calling thread's device.
std::size_t free_bytes();
/// Returns the device's UUID, which is the same in every process.
std::string device_identity(int number);
/// Describes the device, for example "GPU NVIDIA H100 80GB HBM3 (9.0, 79.1 GiB), CUDA 13.0".
std::string describe_device(int number);
/// Returns the number of host threads that may use the device at a time. This is the number of cores that this process
/// may run on, or its GPU's share of all cores.
int host_threads();

}  // namespace logitfield::kernels::cuda
