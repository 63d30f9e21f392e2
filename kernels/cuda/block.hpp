#pragma once
#include <list>

#include "kernels/cuda/handles.hpp"
#include "kernels/cuda/heads.hpp"
#include "kernels/cuda/products.hpp"
#include "kernels/cuda/weights.hpp"

namespace logitfield::kernels::cuda {

/// cos and sin of rotary encodings, kept from layer to layer.
class RotaryTables {
 public:
  RotaryView view(const io::Rotary& rotary, Index length, const Stream& stream);

 private:
  struct Entry {
    std::vector<double> frequencies;
    double amplitude = 0;
    Index length = 0;
    Buffer<float> cosine, sine;
  };
  std::list<Entry> entries_;
};

/// The logit forms of a layer's heads, kept from layer to layer.
class HeadForms {
 public:
  const HeadForm* on_device(std::span<const LogitForm> forms, const Stream& stream);

 private:
  std::vector<HeadForm> host_;
  Buffer<HeadForm> device_;
};

/// The halves of a decoder block, enqueued on a stream; see Backend. T: operand type of the matrix products.
template <class T>
class Block {
 public:
  Block(const Stream& stream, Precision precision) : stream_(stream), products_(stream, precision) {}

  AttentionOutput attention(const BlockShape& shape, const DeviceLayer<T>& weights, const Team& shards,
                            const DeviceActivations& hidden);
  std::unique_ptr<DeviceActivations> mlp(const BlockShape& shape, const DeviceLayer<T>& weights,
                                         const DeviceActivations& hidden);
  /// y = W x + b in float32, with x [rows, inputs] given in float32 or in T.
  std::unique_ptr<DeviceActivations> linear(const DeviceActivations& rows, const DeviceLinear<T>& map);

 private:
  /// Places of the columns of queries, keys and values, and the memory that holds them.
  struct Projected {
    Buffer<float> a, b;
    HeadColumns queries, keys, values;
  };
  Projected project(const BlockShape& shape, const DeviceLayer<T>& weights, const Buffer<T>& normalised, Index length);
  Projected project_directly(const BlockShape& shape, const DeviceLayer<T>& weights, const Buffer<T>& normalised,
                             Index length);
  Buffer<T> normalised(const float* rows, Index stride, Index length, Index columns, const DeviceNorm& norm);
  void multiply(const T* x, Index rows, const DeviceLinear<T>& map, float* out);
  Buffer<float> multiply(const Buffer<T>& x, Index rows, const DeviceLinear<T>& map);
  HeadSteps steps_of(const BlockShape& shape, const DeviceNorm& norm, Index length);
  /// Factors of each position for a norm over all heads of all shards; else empty.
  Buffer<float> position_factors(const HeadColumns& from, const DeviceNorm& norm, Index heads, Index length,
                                 Index columns, Index of_all, const Team& shards);
  void feed_forward(const BlockShape& shape, const DeviceMlp<T>& weights, const T* rows, Index count, float* out);
  void add_shared_expert(const BlockShape& shape, const DeviceLayer<T>& weights, const Buffer<T>& rows, Index length,
                         float* out);
  void add_experts(const BlockShape& shape, const DeviceLayer<T>& weights, const Buffer<T>& rows, Index length,
                   float* out);

  const Stream& stream_;
  Products products_;
  RotaryTables tables_;
  HeadForms forms_;
};

}  // namespace logitfield::kernels::cuda
