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
  /// Host threads, and streams, that compute at a time.
  int workers() const { return static_cast<int>(workers_.size()); }
  int streams() const { return workers() + 1 + Lanes::kCount; }

  /// Measures all query heads of a layer; see field/field_statistics.hpp. Their stream may continue with other work.
  std::vector<std::vector<HeadStatistics>> measure(const DeviceHeads& heads, std::span<const LogitForm> forms,
                                                   std::span<const FieldRequest> requests) const;

 private:
  /// Makes all streams wait for the heads, and takes back the rooms of the last call.
  void begin(const DeviceHeads& heads) const;
  /// Calls run(worker, 0 ... count - 1) on all the host threads.
  void share(std::size_t count, const std::function<void(const Worker&, std::size_t)>& run) const;
  /// Softmax rows [length, 3] of every head; nothing for length 0. Complete once attention_ has been waited for.
  std::vector<HostRows> softmax(const DeviceHeads& heads, std::span<const LogitForm> forms, Index length) const;

  Lanes lanes_;
  Worker attention_;
  /// One per thread.
  std::vector<std::unique_ptr<Worker>> workers_;
  mutable Threads threads_;
};

}  // namespace logitfield::kernels::cuda
