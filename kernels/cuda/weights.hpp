#pragma once
#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "kernels/backend.hpp"
#include "kernels/cuda/operations.hpp"
#include "kernels/cuda/threads.hpp"

// Weights in device memory. T: operand type of the matrix products.
namespace logitfield::kernels::cuda {

/// Copies host numbers to the device on its own stream, in parallel with computing. Several threads convert a piece at
/// a time, each into page-locked memory of its own, and send it. For one thread at a time; others wait.
class Uploader {
 public:
  Uploader() : workers_(std::min(host_threads(), kMostLanes)), lanes_(static_cast<std::size_t>(workers_.count())) {}
  const Stream& stream() const { return stream_; }
  template <class T, class Scalar>
  Buffer<T> upload(const Scalar* values, std::int64_t count);
  std::mutex& in_use() { return in_use_; }

 private:
  /// So small that the first is on its way soon, so large that starting a copy does not count. More lanes than these do
  /// not copy faster (bench/results: an H100 in a virtual machine).
  static constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
  static constexpr int kMostLanes = 8;

  /// A thread fills one piece while the other is copied.
  class Lane {
   public:
    /// Waits until the piece that used this memory has been copied.
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

  Stream stream_;
  Threads workers_;
  std::deque<Lane> lanes_;
  std::mutex in_use_;
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

/// Frees memory filled by the uploader's stream only after the computing stream has finished with it.
class Lifetime {
 public:
  Lifetime(const Uploader& uploader, const Stream& computing) : uploader_(&uploader), computing_(&computing) {}
  ~Lifetime() {
    try {
      Event(*computing_).hold_back(uploader_->stream());
    } catch (const DeviceError&) {
      // The device has failed before; whoever waits for it reports that.
    }
  }
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

 private:
  const Uploader* uploader_;
  const Stream* computing_;
};

template <class T>
struct DeviceMlp {
  DeviceLinear<T> up, down;
};

/// LayerWeights on the device.
template <class T>
struct DeviceLayer final : LoadedLayer {
  DeviceNorm attention_norm, attention_output_norm, attention_residual_norm, mlp_norm, mlp_output_norm,
      mlp_residual_norm, latent_query_norm, latent_norm, query_norm, key_norm;
  DeviceLinear<T> qkv, query_down, key_value_down, key_value_up, output, router;
  DeviceMlp<T> mlp;
  std::vector<DeviceMlp<T>> experts;
  VectorF router_bias;
  Index first_expert = 0;
  /// Passed once the copies are done.
  std::optional<Event> ready;
  /// Must be the last member, so that it is destroyed first.
  std::optional<Lifetime> lifetime;
};

template <class T>
struct DeviceMap final : LoadedLinear {
  DeviceLinear<T> map;
  std::optional<Event> ready;
  std::optional<Lifetime> lifetime;
};

DeviceNorm upload_norm(Uploader& uploader, const Norm& norm);
template <class T>
std::unique_ptr<DeviceLayer<T>> upload_layer(Uploader& uploader, const LayerWeights& weights, const Stream& computing);
template <class T>
std::unique_ptr<DeviceMap<T>> upload_map(Uploader& uploader, const Linear& map, const Stream& computing);

}  // namespace logitfield::kernels::cuda
