#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cuda/products.hpp"
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cuda {

/// Page-locked host memory for results, which are copied in parallel with the host's work. It is kept and used again,
/// since allocating it is slow.
class HostRoom {
 public:
  /// Returns room for `count` numbers, valid until the next clear().
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

/// Workers whose operations on the same heads run at the same time, unless one needs a result of another. No step fills
/// a device by itself: decompositions are chains of small steps, and memory bounds sums and products.
struct Lanes {
  /// They compute factors of the queries, factors of the keys, rows and sums that certificates compare, and singular
  /// values.
  Worker queries, keys, checks, spectra;

  static constexpr int kCount = 4;
  std::array<const Worker*, kCount> all() const { return {&queries, &keys, &checks, &spectra}; }
};

/// Makes all later work of `follower` wait for the work that `leader` has now.
inline void follow(const Worker& follower, const Worker& leader) { Event(leader.stream).hold_back(follower.stream); }

/// Numbers [rows, columns] in a HostRoom, complete after the worker's stream has been waited for.
struct HostRows {
  const double* data = nullptr;
  Index rows = 0, columns = 0;

  Eigen::Map<const Matrix> matrix() const { return {data, rows, columns}; }
  /// Returns row `row` as a matrix of `width` columns.
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

/// Copies host values to the device, through the worker's page-locked memory, so that the host does not wait.
template <class T>
Buffer<T> send(std::span<const T> values, const Worker& worker) {
  const std::size_t bytes = values.size_bytes();
  void* room = worker.room.take(static_cast<Index>((bytes + sizeof(double) - 1) / sizeof(double)));
  std::memcpy(room, values.data(), bytes);
  Buffer<T> out(std::ssize(values), worker.stream);
  copy(out.data(), room, bytes, worker.stream);
  return out;
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
