#pragma once
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "pipeline/forward/forward_context.hpp"
#include "pipeline/forward/layer_weights.hpp"

namespace logitfield {

/// Reads some layers one after the other and brings them to where they are computed with: the next one meanwhile, where
/// the back end computes aside (by another thread); else the system is asked to read ahead.
class LayerLoader {
 public:
  /// Told of the host's copy of each layer, in order.
  using Visit = std::function<void(std::int64_t layer, const kernels::LayerWeights& weights)>;
  LayerLoader(const ForwardContext& context, const Shard& shard, std::vector<std::int64_t> layers, Visit visit);

  /// The layer that comes next; to be kept beyond the call after this one only with `keep`. Without, its host memory is
  /// used again, since fresh memory costs as much to clear as the weights to convert.
  std::unique_ptr<kernels::LoadedLayer> next(bool keep);

 private:
  /// A layer in host memory and where it is computed with.
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
  /// Place in layers_.
  std::size_t next_ = 0;
  std::shared_ptr<kernels::LayerWeights> spare_;
  std::future<Loaded> ahead_;
};

}  // namespace logitfield
