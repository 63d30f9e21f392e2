// The kernels of the forward pass and of the softmax statistics, alone, checked against the CPU on sampled rows.
#include <fmt/format.h>

#include <cmath>

#include "bench/gpu/cases.hpp"
#include "kernels/cuda/field/field_operations.hpp"

namespace logitfield::bench::gpu {
namespace {

using kernels::cuda::Bf16;

/// Rows of queries, keys and values in the form that prepare_heads leaves, and their float32 values.
template <class T>
struct HeadRows {
  MatrixF host;
  Buffer<T> device;

  HeadRows(Index rows, Index columns, unsigned seed, const Stream& stream) : host(random_rows(rows, columns, seed)) {
    const Index width = kernels::cuda::padded(columns);
    std::vector<T> narrow(static_cast<std::size_t>(rows * width), kernels::cuda::from_float<T>(0));
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < columns; ++j) {
        const T value = kernels::cuda::from_float<T>(host(i, j));
        narrow[static_cast<std::size_t>(i * width + j)] = value;
        host(i, j) = kernels::cuda::to_float(value);
      }
    }
    device = Buffer<T>(std::span<const T>(narrow), stream);
    stream.wait();
  }
};

template <class T>
class AttentionCases {
 public:
  AttentionCases(const Meter& meter, const LayerSizes& s)
      : meter_(meter),
        s_(s),
        queries_(s.heads * s.length, s.head_dim, 1, meter.stream()),
        keys_(s.kv_heads * s.length, s.head_dim, 2, meter.stream()),
        values_(s.kv_heads * s.length, s.head_dim, 3, meter.stream()),
        host_forms_(static_cast<std::size_t>(s.heads),
                    {static_cast<float>(1 / std::sqrt(static_cast<double>(s.head_dim)))}),
        forms_(std::span<const kernels::cuda::HeadForm>(host_forms_), meter.stream()) {}

  Row attention() const {
    const int d = static_cast<int>(s_.head_dim);
    Buffer<T> out(s_.length * s_.heads * d, meter_.stream());
    const auto run = [&] {
      attend({s_.heads, s_.kv_heads, s_.length, d, d}, forms_.data(), queries_.device.data(), keys_.device.data(),
             values_.device.data(), out.data(), meter_.stream());
    };
    run();
    expect_small("attention", attention_error(out.read()), kNarrow ? 6e-3 : 2e-5);
    const double pairs = 0.5 * static_cast<double>(s_.length) * static_cast<double>(s_.length + 1);
    const double tokens = static_cast<double>(s_.length * d * sizeof(T));
    return {fmt::format("attention {}", kName),
            size(),
            {4 * pairs * static_cast<double>(s_.heads * d), kUnit,
             tokens * static_cast<double>(2 * s_.heads + 2 * s_.kv_heads)},
            meter_.by_events(run)};
  }

  /// Softmax statistics of bf16 heads.
  Row statistics() const {
    Buffer<double> out(s_.heads * s_.length * 3, meter_.stream());
    const auto run = [&] {
      softmax_rows({s_.heads, s_.kv_heads, s_.length, s_.length, static_cast<int>(s_.head_dim)}, forms_.data(),
                   queries_.device.data(), keys_.device.data(), out.data(), meter_.stream());
    };
    run();
    expect_small("softmax statistics", statistics_error(out.read()), 1e-4);
    const double pairs = 0.5 * static_cast<double>(s_.length) * static_cast<double>(s_.length + 1);
    const double numbers = static_cast<double>(s_.length * s_.head_dim * (s_.heads + s_.kv_heads));
    return {fmt::format("softmax statistics {}", kName),
            size(),
            {2 * pairs * static_cast<double>(s_.heads * s_.head_dim), kUnit, numbers * sizeof(T)},
            meter_.by_events(run)};
  }

 private:
  static constexpr bool kNarrow = std::is_same_v<T, Bf16>;
  static constexpr Unit kUnit = kNarrow ? Unit::bf16 : Unit::float32;
  static constexpr const char* kName = kNarrow ? "bf16" : "float32";
  /// Positions whose rows are checked: in the first tiles, in the middle and at the end.
  std::vector<Index> checked() const { return {0, 1, 63, 64, s_.length / 2 + 1, s_.length - 1}; }
  std::string size() const {
    return fmt::format("{} heads, {} KV, d = {}, L = {}", s_.heads, s_.kv_heads, s_.head_dim, s_.length);
  }
  /// Logits of the last head at a position, over its visible keys.
  Vector logits(Index i) const {
    const auto keys = keys_.host.middleRows((s_.kv_heads - 1) * s_.length, i + 1).template cast<double>();
    return static_cast<double>(host_forms_[0].scale) *
           (keys * queries_.host.row((s_.heads - 1) * s_.length + i).template cast<double>().transpose());
  }
  double attention_error(const std::vector<T>& found) const {
    double worst = 0;
    for (const Index i : checked()) {
      const Vector x = logits(i);
      Vector weights = (x.array() - x.maxCoeff()).exp();
      weights /= weights.sum();
      const Vector expected =
          values_.host.middleRows((s_.kv_heads - 1) * s_.length, i + 1).template cast<double>().transpose() * weights;
      for (Index c = 0; c < s_.head_dim; ++c) {
        const T y = found[static_cast<std::size_t>((i * s_.heads + s_.heads - 1) * s_.head_dim + c)];
        const double off = std::abs(static_cast<double>(kernels::cuda::to_float(y)) - expected[c]);
        worst = off <= worst ? worst : off;  // a NaN stays
      }
    }
    return worst;
  }
  double statistics_error(const std::vector<double>& found) const {
    double worst = 0;
    for (const Index i : checked()) {
      const Vector x = logits(i);
      const double max = x.maxCoeff(), sum = (x.array() - max).exp().sum();
      const Vector weights = (x.array() - max).exp() / sum;
      const double entropy = std::log(sum) - (weights.array() * (x.array() - max)).sum();
      const double* row = &found[static_cast<std::size_t>(((s_.heads - 1) * s_.length + i) * 3)];
      for (const double off : {row[0] - max, row[1] - entropy, row[2] - weights[0]}) {
        worst = std::abs(off) <= worst ? worst : std::abs(off);
      }
    }
    return worst;
  }

  const Meter& meter_;
  const LayerSizes s_;
  const HeadRows<T> queries_, keys_, values_;
  const std::vector<kernels::cuda::HeadForm> host_forms_;
  const Buffer<kernels::cuda::HeadForm> forms_;
};

/// Kernels that only move numbers; the last row is checked.
void time_moving(const Meter& meter, const LayerSizes& s, const TakeRow& take) {
  const Stream& stream = meter.stream();
  const MatrixF x = random_rows(s.length, s.hidden, 4);
  const Buffer<float> in{std::span<const float>(x.data(), static_cast<std::size_t>(x.size())), stream};
  Buffer<Bf16> narrow(s.length * s.hidden, stream);
  stream.wait();
  const auto last = [&](Index columns) {
    std::vector<Bf16> row(static_cast<std::size_t>(columns));
    narrow.read(row, narrow.size() - columns);
    Vector out(columns);
    for (Index c = 0; c < columns; ++c) {
      out[c] = static_cast<double>(kernels::cuda::to_float(row[static_cast<std::size_t>(c)]));
    }
    return out;
  };
  const auto check = [&](const char* name, const Vector& expected) {
    expect_small(name, (last(expected.size()) - expected).norm() / expected.norm(), 4e-3);
  };
  const double values = static_cast<double>(x.size());
  const std::string size = fmt::format("{} x {}", s.length, s.hidden);
  const Vector row = x.row(s.length - 1).cast<double>();
  const auto norm = [&] {
    normalise(in.data(), s.hidden, s.length, s.hidden, {.epsilon = 1e-6}, narrow.data(), stream);
  };
  norm();
  check("norm", row / std::sqrt(row.squaredNorm() / static_cast<double>(s.hidden) + 1e-6));
  take({"norm to bf16", size, {0, Unit::float32, 6 * values}, meter.by_events(norm)});

  // The two halves of a row: gate and up.
  const Index inner = s.hidden / 2;
  Buffer<float> activated(s.length * inner, stream);
  const auto activation = [&] {
    activate(io::Activation::silu, true, in.data(), nullptr, s.length, inner, activated.data(), stream);
  };
  activation();
  std::vector<float> found(static_cast<std::size_t>(inner));
  activated.read(found, (s.length - 1) * inner);
  double off = 0;
  for (Index c = 0; c < inner; ++c) {
    const double expected = row[c] / (1 + std::exp(-row[c])) * row[inner + c];
    const double here = std::abs(static_cast<double>(found[static_cast<std::size_t>(c)]) - expected);
    off = here <= off ? off : here;  // a NaN stays
  }
  expect_small("activation", off, 1e-5);
  take({"gated activation float32",
        fmt::format("{} x {}", s.length, inner),
        {0, Unit::float32, 6 * values},
        meter.by_events(activation)});

  const auto prepare = [&] {
    prepare_heads(
        {.rows = in.data(), .stride = s.hidden, .head_stride = s.head_dim, .own = static_cast<int>(s.head_dim)}, {},
        s.hidden / s.head_dim, s.length, static_cast<int>(s.head_dim), nullptr, narrow.data(), stream);
  };
  prepare();
  check("heads taken apart", row.tail(s.head_dim));
  take({"heads taken apart, to bf16", size, {0, Unit::float32, 6 * values}, meter.by_events(prepare)});
}

}  // namespace

void time_kernels(const Meter& meter, const LayerSizes& sizes, const TakeRow& take) {
  time_moving(meter, sizes, take);
  {
    const AttentionCases<Bf16> cases(meter, sizes);
    take(cases.attention());
    take(cases.statistics());
  }
  take(AttentionCases<float>(meter, sizes).attention());
}

}  // namespace logitfield::bench::gpu
