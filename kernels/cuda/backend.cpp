#include "kernels/cuda/backend.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/cpu/backend.hpp"
#include "kernels/cuda/block.hpp"
#include "kernels/cuda/field/field_statistics.hpp"
#include "kernels/device.hpp"

namespace logitfield::kernels::cuda {
namespace {

const DeviceActivations& device(const Activations& a) { return dynamic_cast<const DeviceActivations&>(a); }
DeviceActivations& device(Activations& a) { return dynamic_cast<DeviceActivations&>(a); }

/// T: operand type of the matrix products.
template <class T>
class CudaBackend final : public Backend {
 public:
  CudaBackend(Precision precision, int number)
      : number_(number),
        precision_(precision),
        host_(cpu::make_backend(Precision::float32)),
        block_(stream_, precision) {}

  std::string description() const override {
    return fmt::format("cuda ({}, {}; {})", describe_device(number_), precision_name(precision_), host_->description());
  }
  Precision precision() const override { return precision_; }
  bool computes_aside() const override { return true; }
  std::optional<DeviceMemory> device_memory() const override {
    const std::size_t free = free_bytes();
    const std::size_t libraries = static_cast<std::size_t>(fields_.streams() + 1) * Products::kWorkspaceBytes;
    return DeviceMemory{device_identity(number_), free - std::min(free, libraries), fields_.workers()};
  }

  std::unique_ptr<Activations> upload(MatrixF values) const override {
    return std::make_unique<DeviceActivations>(values, stream_);
  }
  std::unique_ptr<LoadedLayer> load(std::shared_ptr<const LayerWeights> weights) const override {
    use_device(number_);  // may be called from another thread, which reads ahead
    return upload_layer<T>(uploader_, *weights);
  }
  std::unique_ptr<LoadedLinear> load(Linear map) const override { return upload_map<T>(uploader_, map); }

  AttentionOutput attention(const BlockShape& shape, const LoadedLayer& weights, const Team& shards,
                            const Activations& hidden) const override {
    return block_.attention(shape, ready(weights), shards, device(hidden));
  }
  std::unique_ptr<Activations> mlp(const BlockShape& shape, const LoadedLayer& weights,
                                   const Activations& hidden) const override {
    return block_.mlp(shape, ready(weights), device(hidden));
  }
  void add(const Activations& term, Activations& sum) const override {
    cuda::add(device(term).values.data(), term.rows() * term.cols(), device(sum).values.data(), stream_);
  }
  void finish(Half half, const LoadedLayer& loaded, const Activations& said, Activations& hidden) const override {
    const DeviceLayer<T>& weights = ready(loaded);
    const bool first = half == Half::attention;
    const DeviceNorm& output = first ? weights.attention_output_norm : weights.mlp_output_norm;
    if (output.present) {
      DeviceActivations term(said.rows(), said.cols(), stream_);
      normalise_rows(output.view, device(said), term);
      add(term, hidden);
    } else {
      add(said, hidden);
    }
    const DeviceNorm& residual = first ? weights.attention_residual_norm : weights.mlp_residual_norm;
    if (residual.present) normalise_rows(residual.view, device(hidden), device(hidden));
  }

  void normalise(const Norm& norm, Activations& rows) const override {
    if (!norm.present) return;
    DeviceNorm here;
    {
      const std::scoped_lock lock(uploader_.in_use());
      here = upload_norm(uploader_, norm);
    }
    Event(uploader_.stream()).hold_back(stream_);
    normalise_rows(here.view, device(rows), device(rows));
  }
  std::unique_ptr<Activations> linear(const Activations& rows, const LoadedLinear& map) const override {
    const auto& here = dynamic_cast<const DeviceMap<T>&>(map);
    here.ready->hold_back(stream_);
    return block_.linear(device(rows), here.map);
  }
  void soft_cap(double cap, Activations& rows) const override {
    cuda::soft_cap(static_cast<float>(cap), rows.rows() * rows.cols(), device(rows).values.data(), stream_);
  }
  void add_loss(const Activations& logits, Index first_token, std::span<const std::int32_t> targets,
                LossPart& loss) const override {
    const Index positions = std::ssize(targets);
    const Buffer<std::int32_t> wanted(targets, stream_);
    Buffer<double> terms(3 * positions, stream_);
    loss_terms(device(logits).values.data(), positions, logits.cols(), first_token, wanted.data(), terms.data(),
               stream_);
    const std::vector<double> found = terms.read();
    for (Index i = 0; i < positions; ++i) {
      const double* term = &found[static_cast<std::size_t>(3 * i)];
      const double max = std::max(loss.max[i], term[0]);
      loss.sum[i] = loss.sum[i] * std::exp(loss.max[i] - max) + term[1] * std::exp(term[0] - max);
      loss.max[i] = max;
      const Index column = targets[static_cast<std::size_t>(i)] - first_token;
      if (column >= 0 && column < logits.cols()) loss.target[i] = term[2];
    }
  }

  std::vector<std::vector<HeadStatistics>> field_statistics(const Heads& heads, std::span<const LogitForm> forms,
                                                            std::span<const FieldRequest> requests) const override {
    return fields_.measure(dynamic_cast<const DeviceHeads&>(heads), forms, requests);
  }
  std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                            std::span<const FieldRequest> requests) const override {
    const Index length = group.keys.rows(), columns = group.keys.cols();
    DeviceHeads heads(std::ssize(group.queries), 1, length, columns, stream_);
    const auto upload_rows = [&](const MatrixF& rows, float* to) {
      copy(to, rows.data(), static_cast<std::size_t>(rows.size()) * sizeof(float), stream_);
      stream_.wait();
    };
    upload_rows(group.keys, heads.all_keys.data());
    for (std::size_t h = 0; h < group.queries.size(); ++h) {
      upload_rows(group.queries[h], heads.all_queries.data() + static_cast<Index>(h) * length * columns);
    }
    heads.ready.emplace(stream_);
    return field_statistics(heads, group.forms, requests);
  }
  // Rows shared by ranks, and spectra computed elsewhere, stay on the host.
  std::vector<std::vector<HeadStatistics>> shared_field_statistics(
      const Team& team, const HeadGroup& group, const Placement& placement,
      std::span<const FieldRequest> requests) const override {
    return host_->shared_field_statistics(team, group, placement, requests);
  }
  HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope,
                                     RouteResult result) const override {
    return host_->complete_statistics(group, head, scope, std::move(result));
  }
  std::vector<LearnedInteraction> learned_interactions(const std::vector<Projection>& queries, const Projection& keys,
                                                       const VectorF& gain) const override {
    return host_->learned_interactions(queries, keys, gain);
  }

 private:
  /// Returns the layer's weights; makes computing wait for their copies.
  const DeviceLayer<T>& ready(const LoadedLayer& layer) const {
    const auto& here = dynamic_cast<const DeviceLayer<T>&>(layer);
    here.ready->hold_back(stream_);
    return here;
  }
  void normalise_rows(const NormView& norm, const DeviceActivations& in, DeviceActivations& out) const {
    cuda::normalise(in.values.data(), in.cols(), in.rows(), in.cols(), norm, out.values.data(), stream_);
  }

  int number_;
  Precision precision_;
  std::unique_ptr<Backend> host_;
  Stream stream_;
  mutable Uploader uploader_{stream_};
  mutable Block<T> block_;
  FieldMeasurer fields_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(Precision precision, int local_rank) {
  const DeviceList list = list_devices();
  if (list.devices.empty()) throw std::runtime_error(list.reason);
  const int number = local_rank % static_cast<int>(list.devices.size());
  use_device(number);
  if (precision == Precision::bf16) return std::make_unique<CudaBackend<Bf16>>(precision, number);
  return std::make_unique<CudaBackend<float>>(precision, number);
}

}  // namespace logitfield::kernels::cuda
