#pragma once
#include <array>
#include <mutex>
#include <optional>

#include "kernels/backend.hpp"
#include "kernels/cuda/operations.hpp"

// Weights in device memory. T: what matrix products take in.
namespace logitfield::kernels::cuda {

/// Copies host numbers to the device through two page-locked buffers on a stream of its own, so that it runs beside the
/// computing, one number being converted while others are copied. For one thread at a time; others wait.
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

/// Frees what was copied by the uploader's stream when the computing stream is done with it.
class Lifetime {
 public:
  Lifetime(const Uploader& uploader, const Stream& computing) : uploader_(&uploader), computing_(&computing) {}
  ~Lifetime() {
    try {
      Event(*computing_).hold_back(uploader_->stream());
    } catch (const DeviceError&) {
      // The device has failed before, and whoever waits for it says so.
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

/// See LayerWeights.
template <class T>
struct DeviceLayer final : LoadedLayer {
  DeviceNorm attention_norm, attention_output_norm, attention_residual_norm, mlp_norm, mlp_output_norm,
      mlp_residual_norm, latent_query_norm, latent_norm, query_norm, key_norm;
  DeviceLinear<T> qkv, query_down, key_value_down, key_value_up, output, router;
  DeviceMlp<T> mlp;
  std::vector<DeviceMlp<T>> experts;
  VectorF router_bias;
  Index first_expert = 0;
  /// The copies are done.
  std::optional<Event> ready;
  /// The last member, destroyed first.
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
