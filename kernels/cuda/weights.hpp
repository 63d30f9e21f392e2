#pragma once
#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <optional>

#include "kernels/backend.hpp"
#include "kernels/cuda/operations.hpp"
#include "kernels/cuda/threads.hpp"

// Weights in device memory. T: operand type of the matrix products.
namespace logitfield::kernels::cuda {

/// Copies host numbers to the device on its own stream, in parallel with computing. Several threads convert a piece at
/// a time, each into page-locked memory of its own, and send it. One thread may use it at a time; others wait. Device
/// memory is freed in the order of the computing stream, so that no copy waits for a computation.
class Uploader {
 public:
  explicit Uploader(const Stream& computing)
      : computing_(computing),
        workers_(std::min(host_threads(), kMostLanes)),
        lanes_(static_cast<std::size_t>(workers_.count())) {}
  const Stream& stream() const { return stream_; }
  const Stream& computing() const { return computing_; }
  /// Begins a layer or a map. Its copies wait until the memory freed before it can be used.
  void begin();
  /// Records that the computing stream has freed memory.
  void note_release();
  template <class T, class Scalar>
  Buffer<T> upload(const Scalar* values, std::int64_t count);
  std::mutex& in_use() { return in_use_; }

 private:
  /// Small enough that the first copy starts soon, large enough that starting a copy takes little of the time. More
  /// lanes do not copy faster (bench/results: an H100 in a virtual machine).
  static constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
  static constexpr int kMostLanes = 8;

  /// A thread fills one piece while the other is copied.
  class Lane {
   public:
    /// Waits until the piece that used this memory has been copied, and returns the memory.
    std::byte* room();
    void send(void* to, std::size_t bytes, const Stream& stream);

   private:
    struct Piece {
      PinnedBuffer memory{kPieceBytes};
      std::optional<Event> copied;
    };
    std::array<Piece, 2> pieces_;
    std::size_t next_ = 0;
  };

  const Stream& computing_;
  Stream stream_;
  Threads workers_;
  std::deque<Lane> lanes_;
  std::mutex in_use_, releasing_;
  std::optional<Event> released_;
};

struct DeviceNorm {
  bool present = false;
  NormView view;
  std::int64_t gain_size = 0;
  Buffer<float> gain, bias;
};

template <class T>
struct DeviceLinear {
  std::int64_t outputs = 0, inputs = 0;
  Buffer<T> weight;
  Buffer<float> bias;
};

/// Calls `step` in a destructor and ignores an error of the device. The next caller that waits for the device reports
/// it.
template <class Step>
void unless_failed(Step&& step) noexcept {
  try {
    step();
  } catch (const DeviceError&) {
  }
}

/// Notes when the memory of an uploaded object is freed. It is the first member or base, so it is destroyed last. The
/// next copies wait for it, so that a device holds two layers, not three.
class Returning {
 public:
  explicit Returning(Uploader& uploader) : uploader_(uploader) {}
  ~Returning() {
    unless_failed([&] { uploader_.note_release(); });
  }
  Returning(const Returning&) = delete;
  Returning& operator=(const Returning&) = delete;

 private:
  Uploader& uploader_;
};

/// Passes once the copies are done. It is the last member, so it is destroyed before the memory is freed. Copies into
/// memory that was never used have ended by then.
class Arrival {
 public:
  explicit Arrival(const Uploader& uploader) : computing_(uploader.computing()), copied_(uploader.stream()) {}
  ~Arrival() {
    unless_failed([&] { copied_.hold_back(computing_); });
  }
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;
  /// Make the stream, or the host, wait for the copies.
  void hold_back(const Stream& stream) const { copied_.hold_back(stream); }
  void wait() const { copied_.wait(); }

 private:
  const Stream& computing_;
  Event copied_;
};

template <class T>
struct DeviceMlp {
  DeviceLinear<T> up, down;
};

/// Defines the types of a layer's parts as weights on a device. The router's biases stay on the host, where experts are
/// chosen.
template <class T>
struct OnDevice {
  using Norm = DeviceNorm;
  using StackedHeads = DeviceLinear<T>;
  using WholeMap = DeviceLinear<T>;
  using HeadMap = DeviceLinear<T>;
  using ColumnMap = DeviceLinear<T>;
  using Network = DeviceMlp<T>;
  using Router = DeviceLinear<T>;
  using RouterBias = VectorF;
  using Expert = DeviceMlp<T>;
};

/// LayerWeights on the device. `Returning` is destroyed last, `ready` first.
template <class T>
struct DeviceLayer final : LoadedLayer, Returning, io::LayerParts<OnDevice<T>> {
  explicit DeviceLayer(Uploader& uploader) : Returning(uploader) {}

  Index first_expert = 0;
  std::optional<Arrival> ready;
};

template <class T>
struct DeviceMap final : LoadedLinear {
  explicit DeviceMap(Uploader& uploader) : returning(uploader) {}

  Returning returning;
  DeviceLinear<T> map;
  std::optional<Arrival> ready;
};

DeviceNorm upload_norm(Uploader& uploader, const Norm& norm);
template <class T>
std::unique_ptr<DeviceLayer<T>> upload_layer(Uploader& uploader, const LayerWeights& weights);
template <class T>
std::unique_ptr<DeviceMap<T>> upload_map(Uploader& uploader, const Linear& map);

}  // namespace logitfield::kernels::cuda
