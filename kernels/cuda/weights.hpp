#pragma once
#include <array>
#include <mutex>
#include <optional>

#include "kernels/backend.hpp"
#include "kernels/cuda/operations.hpp"

// Weights in device memory. T: operand type of the matrix products.
namespace logitfield::kernels::cuda {

/// Copies host numbers to the device through two page-locked buffers on its own stream, in parallel with computing. One
/// buffer is filled with converted numbers while the other is copied. For one thread at a time; others wait.
class Uploader {
 public:
  Uploader() : staging_{PinnedBuffer(kStagingBytes), PinnedBuffer(kStagingBytes)} {}
  const Stream& stream() const { return stream_; }
  template <class T, class Scalar>
  Buffer<T> upload(const Scalar* values, std::int64_t count);
  std::mutex& in_use() { return in_use_; }

 private:
  static constexpr std::size_t kStagingBytes = std::size_t{32} << 20;
  Stream stream_;
  std::array<PinnedBuffer, 2> staging_;
  std::array<std::optional<Event>, 2> copied_;
  std::size_t next_ = 0;
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
