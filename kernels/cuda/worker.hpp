#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/cuda/products.hpp"
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cuda {

/// Page-locked host memory for results, which are copied in parallel with the host. It is kept and used again, since it
/// is slow to get.
class HostRoom {
 public:
  /// Room for `count` numbers, until the next clear().
  double* take(std::int64_t count);
  void clear() { block_ = used_ = 0; }

 private:
  std::vector<std::unique_ptr<PinnedBuffer>> blocks_;
  std::size_t block_ = 0, used_ = 0;
};

/// The stream and products of one host thread.
struct Worker {
  /// High priority, so that its small operations run between the large ones of a forward pass on the same device.
  Stream stream{Priority::high};
  Products products{stream, Precision::float32};
  mutable HostRoom room;
};

/// Numbers [rows, columns] in a HostRoom, complete after the worker's stream has been waited for.
struct HostRows {
  const double* data = nullptr;
  Index rows = 0, columns = 0;

  Eigen::Map<const Matrix> matrix() const { return {data, rows, columns}; }
  /// Row `row` as a matrix of `width` columns.
  Eigen::Map<const Matrix> matrix_of(Index row, Index width) const {
    return {data + row * columns, columns / width, width};
  }
};

/// Starts copying device numbers to the worker's room.
inline HostRows start_download(const Buffer<double>& values, Index rows, Index columns, const Worker& worker) {
  double* to = worker.room.take(rows * columns);
  copy(to, values.data(), static_cast<std::size_t>(rows * columns) * sizeof(double), worker.stream);
  return {to, rows, columns};
}

/// Copies a host matrix to the device, and back (rows of `stride`).
inline Buffer<double> upload(const Matrix& host, const Worker& worker) {
  Buffer<double> out(as_span(host), worker.stream);
  worker.stream.wait();  // the host's matrix may be freed now
  return out;
}
inline Matrix download(const Buffer<double>& values, Index rows, Index columns) {
  Matrix out(rows, columns);
  values.read(as_span(out));
  return out;
}

inline double* HostRoom::take(std::int64_t count) {
  constexpr std::size_t kBlockBytes = std::size_t{32} << 20;
  const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(double) + 63) / 64 * 64;
  while (block_ < blocks_.size() && used_ + bytes > blocks_[block_]->bytes()) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) blocks_.push_back(std::make_unique<PinnedBuffer>(std::max(bytes, kBlockBytes)));
  std::byte* out = blocks_[block_]->data() + used_;
  used_ += bytes;
  return reinterpret_cast<double*>(out);
}

}  // namespace logitfield::kernels::cuda
