#pragma once
#include <optional>

#include "kernels/backend.hpp"
#include "kernels/cuda/number.hpp"
#include "kernels/cuda/runtime.hpp"

namespace logitfield::kernels::cuda {

// Handles of the CUDA back end: device memory. Handles of other back ends throw std::bad_cast.

class DeviceActivations final : public Activations {
 public:
  DeviceActivations(Index rows, Index cols, const Stream& stream)
      : values(rows * cols, stream), rows_(rows), cols_(cols), stream_(stream) {}
  DeviceActivations(const MatrixF& host, const Stream& stream) : DeviceActivations(host.rows(), host.cols(), stream) {
    write(host);
  }
  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  void read(const std::function<void(const MatrixF&)>& visit) const override { visit(host()); }
  void change(const std::function<void(MatrixF&)>& visit) override {
    MatrixF values_here = host();
    visit(values_here);
    write(values_here);
  }

  Buffer<float> values;

 private:
  MatrixF host() const {
    MatrixF out(rows_, cols_);
    values.read(as_span(out));
    return out;
  }
  void write(const MatrixF& host) {
    copy(values.data(), host.data(), static_cast<std::size_t>(host.size()) * sizeof(float), stream_);
    stream_.wait();  // the host's matrix may be freed now
  }

  Index rows_, cols_;
  const Stream& stream_;
};

/// Holds queries [num_heads * length, head_dim] and keys [num_kv_heads * length, head_dim], head-major, float32.
class DeviceHeads final : public Heads {
 public:
  DeviceHeads(Index num_heads, Index num_kv_heads, Index rows, Index columns, const Stream& stream)
      : length(rows),
        head_dim(columns),
        all_queries(num_heads * rows * columns, stream),
        all_keys(num_kv_heads * rows * columns, stream) {}
  MatrixF queries(Index head, Index begin, Index count) const override {
    return rows_of(all_queries, head * length + begin, count);
  }
  MatrixF keys(Index kv_head, Index begin, Index count) const override {
    return rows_of(all_keys, kv_head * length + begin, count);
  }

  const Index length, head_dim;
  Buffer<float> all_queries, all_keys;
  /// The same queries and keys in rows of padded(head_dim) if they are bf16; else empty.
  Buffer<Bf16> narrow_queries, narrow_keys;
  /// Passes when all heads are in place; other streams wait for it.
  std::optional<Event> ready;

 private:
  MatrixF rows_of(const Buffer<float>& all, Index first, Index count) const {
    MatrixF out(count, head_dim);
    all.read(as_span(out), first * head_dim);
    return out;
  }
};

}  // namespace logitfield::kernels::cuda
