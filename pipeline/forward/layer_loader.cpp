#include "pipeline/forward/layer_loader.hpp"

#include "pipeline/mpi/memory_for.hpp"

namespace logitfield {

LayerLoader::LayerLoader(const ForwardContext& context, const Shard& shard, std::vector<std::int64_t> layers,
                         Visit visit)
    : c_(context), shard_(shard), layers_(std::move(layers)), visit_(std::move(visit)) {
  prefetch_next();
}

LayerLoader::Loaded LayerLoader::load(std::int64_t layer, std::shared_ptr<kernels::LayerWeights> host) const {
  if (!host) host = std::make_shared<kernels::LayerWeights>();
  return mpi::memory_for(
      [&]() -> Loaded {
        load_layer(c_.job.checkpoint(), layer, shard_, c_.backend.precision(), *host);
        return {host, c_.backend.load(host)};
      },
      "the weights of layer {}", layer);
}

void LayerLoader::prefetch_next() const {
  if (next_ < layers_.size()) prefetch_layer(c_.job.checkpoint(), layers_[next_], shard_);
}

std::unique_ptr<kernels::LoadedLayer> LayerLoader::next(bool keep) {
  const std::int64_t layer = layers_.at(next_++);
  Loaded now =
      c_.clock.time(Phase::read, [&] { return ahead_.valid() ? ahead_.get() : load(layer, std::move(spare_)); });
  visit_(layer, *now.host);
  if (c_.backend.computes_aside()) {
    spare_ = std::move(now.host);
    if (next_ < layers_.size()) {
      ahead_ = std::async(std::launch::async,
                          [this, layer = layers_[next_], host = std::move(spare_)] { return load(layer, host); });
    }
  } else {
    if (!keep) spare_ = std::move(now.host);
    prefetch_next();
  }
  return std::move(now.layer);
}

}  // namespace logitfield
