#pragma once
#include "kernels/cuda/products.hpp"

namespace logitfield::kernels::cuda {

/// The stream and products of one host thread.
struct Worker {
  /// High priority, so that its small operations run between the large ones of a forward pass on the same device.
  Stream stream{Priority::high};
  Products products{stream, Precision::float32};
};

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

}  // namespace logitfield::kernels::cuda
