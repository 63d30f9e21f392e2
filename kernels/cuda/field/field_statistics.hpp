#pragma once
#include <functional>

#include "kernels/backend.hpp"
#include "kernels/cuda/field/field_context.hpp"
#include "kernels/cuda/threads.hpp"

namespace logitfield::kernels::cuda {

/// Measures the heads of layers. Work of O(L d^2) and more runs on the device that was current when it was made. Work
/// of O(L) or O(d^3) runs at the same time on host threads; each takes a KV head, or a query head, in one context.
class FieldMeasurer {
 public:
  FieldMeasurer();
  int workers() const { return static_cast<int>(workers_.size()); }

  /// Measures all query heads of a layer; see field/field_statistics.hpp. Their stream may continue with other work.
  std::vector<std::vector<HeadStatistics>> measure(const DeviceHeads& heads, std::span<const LogitForm> forms,
                                                   std::span<const FieldRequest> requests) const;

 private:
  /// Calls run(worker, 0 ... count - 1) on all the host threads.
  void share(std::size_t count, const std::function<void(const Worker&, std::size_t)>& run) const;
  /// Softmax rows [length, 3] of every head; nothing for length 0.
  std::vector<Matrix> softmax(const DeviceHeads& heads, std::span<const LogitForm> forms, Index length) const;

  /// One per thread.
  std::vector<std::unique_ptr<Worker>> workers_;
  mutable Threads threads_;
};

}  // namespace logitfield::kernels::cuda
