#pragma once
#include <functional>

#include "kernels/backend.hpp"
#include "kernels/cuda/field_context.hpp"

namespace logitfield::kernels::cuda {

/// Measures the heads of layers. What costs O(L d^2) and more is done on the device `number`; what is O(L) or O(d^3) by
/// host threads at the same time, a KV head, or a query head, in one context each.
class FieldMeasurer {
 public:
  explicit FieldMeasurer(int number);
  int workers() const { return static_cast<int>(workers_.size()); }

  /// See cpu/field_statistics.hpp: of all query heads of a layer. Their stream may go on with other work.
  std::vector<std::vector<HeadStatistics>> measure(const DeviceHeads& heads, std::span<const LogitForm> forms,
                                                   std::span<const FieldRequest> requests) const;

 private:
  /// Calls run(worker, 0 ... count - 1), on as many host threads as there are.
  void share(std::size_t count, const std::function<void(const Worker&, std::size_t)>& run) const;
  /// Softmax rows [length, 3] of every head; nothing for length 0.
  std::vector<Matrix> softmax(const DeviceHeads& heads, std::span<const LogitForm> forms, Index length) const;

  int number_;
  /// One a host thread.
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace logitfield::kernels::cuda
