#pragma once
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "pipeline/forward/forward_context.hpp"
#include "pipeline/forward/layer_weights.hpp"

namespace logitfield {

/// Reads layers one after the other and brings them to the memory in which they are used. If the back end computes
/// asynchronously, another thread loads the next layer meanwhile; otherwise the system is asked to read ahead.
class LayerLoader {
 public:
  /// Called with the host's copy of each layer, in order.
  using Visit = std::function<void(std::int64_t layer, const kernels::LayerWeights& weights)>;
  LayerLoader(const ForwardContext& context, const Shard& shard, std::vector<std::int64_t> layers, Visit visit);

  /// The next layer. Pass `keep` to use it beyond the call after this one. Without `keep` its host memory is reused,
  /// since clearing fresh memory costs as much as converting the weights.
  std::unique_ptr<kernels::LoadedLayer> next(bool keep);

 private:
  /// A layer in host memory, and the form that computation uses.
  struct Loaded {
    std::shared_ptr<kernels::LayerWeights> host;
    std::unique_ptr<kernels::LoadedLayer> layer;
  };
  void prefetch_next() const;
  Loaded load(std::int64_t layer, std::shared_ptr<kernels::LayerWeights> host) const;

  const ForwardContext& c_;
  const Shard shard_;
  const std::vector<std::int64_t> layers_;
  const Visit visit_;
  /// Index in layers_ of the next layer.
  std::size_t next_ = 0;
  std::shared_ptr<kernels::LayerWeights> spare_;
  std::future<Loaded> ahead_;
};

}  // namespace logitfield
