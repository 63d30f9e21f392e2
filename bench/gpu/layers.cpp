// A layer's forward pass, and layers whose weights come from the host while others compute.
#include <fmt/format.h>

#include <cmath>
#include <future>

#include "bench/gpu/cases.hpp"
#include "kernels/backend.hpp"
#include "kernels/cuda/block.hpp"

namespace logitfield::bench::gpu {
namespace {

using namespace kernels::cuda;

BlockShape shape_of(const LayerSizes& s) {
  BlockShape out;
  out.hidden_size = s.hidden;
  out.num_heads = s.heads;
  out.num_kv_heads = s.kv_heads;
  out.head_dim = out.value_dim = s.head_dim;
  out.forms.assign(static_cast<std::size_t>(s.heads), {.scale = 1 / std::sqrt(number(s.head_dim))});
  io::Rotary rotary;
  for (Index pair = 0; pair < s.head_dim / 2; ++pair) {
    rotary.frequencies.push_back(std::pow(500000.0, -2 * number(pair) / number(s.head_dim)));
  }
  out.rotary = rotary;
  return out;
}

std::shared_ptr<LayerWeights> weights_of(const LayerSizes& s, Precision precision = Precision::float32) {
  const auto map = [=](Index outputs, Index inputs, unsigned seed) {
    MatrixF values = random_rows(outputs, inputs, seed) / std::sqrt(static_cast<float>(inputs));
    return Linear{WeightMatrix(std::move(values), precision), {}};
  };
  auto out = std::make_shared<LayerWeights>();
  out->attention_norm.present = out->mlp_norm.present = true;
  out->attention_norm.epsilon = out->mlp_norm.epsilon = 1e-5;
  out->qkv = map((s.heads + 2 * s.kv_heads) * s.head_dim, s.hidden, 7);
  out->output = map(s.hidden, s.heads * s.head_dim, 8);
  out->mlp = {map(2 * s.mlp, s.hidden, 9), map(s.hidden, s.mlp, 10)};
  return out;
}

double weight_count(const LayerSizes& s) {
  return number(s.hidden) * number((2 * s.heads + 2 * s.kv_heads) * s.head_dim + 3 * s.mlp);
}

Work work_of(const LayerSizes& s, Unit unit, double bytes_a_weight) {
  const double pairs = 0.5 * number(s.length) * number(s.length + 1);
  return {2 * number(s.length) * weight_count(s) + 4 * pairs * number(s.heads * s.head_dim), unit,
          bytes_a_weight * weight_count(s) + 2 * 4 * number(s.length * s.hidden)};
}

/// The result of a backend's forward pass on hidden states.
template <class T>
class Forward {
 public:
  Forward(const Stream& stream, const LayerSizes& s, Precision precision)
      : stream_(stream), shape_(shape_of(s)), block_(stream, precision) {}
  void run(const DeviceLayer<T>& layer, DeviceActivations& hidden) {
    layer.ready->hold_back(stream_);
    const auto add_to = [&](const DeviceActivations& term) {
      cuda::add(term.values.data(), term.rows() * term.cols(), hidden.values.data(), stream_);
    };
    const AttentionOutput said = block_.attention(shape_, layer, alone(), hidden);
    add_to(dynamic_cast<const DeviceActivations&>(*said.partial));
    add_to(*block_.mlp(shape_, layer, hidden));
  }
  const BlockShape& shape() const { return shape_; }

 private:
  const Stream& stream_;
  const BlockShape shape_;
  Block<T> block_;
};

/// The CPU's hidden states of the first positions, which do not depend on the others.
MatrixF expected_prefix(const BlockShape& shape, const std::shared_ptr<const LayerWeights>& weights, const MatrixF& x) {
  const auto cpu = make_backend(BackendKind::cpu);
  const auto layer = cpu->load(weights);
  const auto hidden = cpu->upload(x);
  cpu->finish(Half::attention, *layer, *cpu->attention(shape, *layer, alone(), *hidden).partial, *hidden);
  cpu->finish(Half::mlp, *layer, *cpu->mlp(shape, *layer, *hidden), *hidden);
  MatrixF out;
  hidden->read([&](const MatrixF& values) { out = values; });
  return out;
}

template <class T>
Row forward_row(const Meter& meter, const LayerSizes& s, const std::shared_ptr<const LayerWeights>& weights,
                Precision precision, double tolerance) {
  constexpr Index kPrefix = 64;
  Uploader uploader(meter.stream());
  Forward<T> forward(meter.stream(), s, precision);
  const auto layer = upload_layer<T>(uploader, *weights);
  const MatrixF x = random_rows(s.length, s.hidden, 11);
  DeviceActivations hidden(x, meter.stream());
  forward.run(*layer, hidden);
  hidden.read([&](const MatrixF& found) {
    const MatrixF expected = expected_prefix(forward.shape(), weights, x.topRows(kPrefix));
    expect_small("forward", static_cast<double>((found.topRows(kPrefix) - expected).norm() / expected.norm()),
                 tolerance);
    expect_small("forward, finite", found.allFinite() ? 0 : 1, 0);
  });
  const std::string name{precision_name(precision)};
  const Unit unit = precision == Precision::bf16   ? Unit::bf16
                    : precision == Precision::tf32 ? Unit::tf32
                                                   : Unit::float32;
  return {fmt::format("forward pass of a layer {}", name), fmt::format("{}, L = {}", s.name, s.length),
          work_of(s, unit, sizeof(T)), meter.by_events([&] { forward.run(*layer, hidden); })};
}

}  // namespace

void time_layers(const Meter& meter, const LayerSizes& s, const TakeRow& take) {
  const auto weights = weights_of(s);
  take(forward_row<Bf16>(meter, s, weights, Precision::bf16, 2e-2));
  take(forward_row<float>(meter, s, weights, Precision::tf32, 5e-3));
  take(forward_row<float>(meter, s, weights, Precision::float32, 1e-5));
}

// As pipeline/forward/layer_loader does it; the same weights every time, since no file is read here.
void time_streaming(const Meter& meter, const LayerSizes& s, Precision source, const Ceilings& ceilings,
                    std::string& notes, const TakeRow& take) {
  constexpr int kLayers = 6;
  const auto weights = weights_of(s, source);
  const auto from = precision_name(source);
  Uploader uploader(meter.stream());
  Forward<Bf16> forward(meter.stream(), s, Precision::bf16);
  DeviceActivations hidden(random_rows(s.length, s.hidden, 12), meter.stream());
  const auto load = [&] {
    use_device(0);
    return upload_layer<Bf16>(uploader, *weights);
  };
  const auto kept = load();
  const Timing alone = meter.by_clock([&] { load()->ready->wait(); });
  const Timing computing = meter.by_events([&] { forward.run(*kept, hidden); });
  const Timing streamed = meter.by_clock([&] {
    std::future<std::unique_ptr<DeviceLayer<Bf16>>> ahead = std::async(std::launch::async, load);
    for (int l = 0; l < kLayers; ++l) {
      const auto layer = ahead.get();
      if (l + 1 < kLayers) ahead = std::async(std::launch::async, load);
      forward.run(*layer, hidden);
    }
    meter.stream().wait();
  });
  const double copying = 2 * weight_count(s) / ceilings.upload, a_layer = streamed.warm / kLayers;
  notes += fmt::format(
      "{} layers, bf16, streamed from {} in host memory: {:.2f} ms a layer; computing alone {:.2f}, loading alone "
      "{:.2f}, copying at the bus's speed {:.2f}: {:.2f} times the larger of computing and copying.\n\n",
      s.name, from, 1e3 * a_layer, 1e3 * computing.warm, 1e3 * alone.warm, 1e3 * copying,
      a_layer / std::max(computing.warm, copying));
  take({fmt::format("streamed layer {} from {}", s.name, from),
        fmt::format("bf16, L = {}", s.length),
        work_of(s, Unit::bf16, 2),
        {streamed.cold / kLayers, a_layer}});
}

}  // namespace logitfield::bench::gpu
