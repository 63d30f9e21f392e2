// Field statistics of a layer, whole and in parts.
#include <fmt/format.h>

#include <cmath>

#include "bench/gpu/cases.hpp"
#include "kernels/cuda/field/attention_statistics.hpp"
#include "kernels/cuda/field/causal_fields.hpp"
#include "kernels/cuda/field/direct_field.hpp"
#include "kernels/cuda/field/field_statistics.hpp"
#include "kernels/cuda/field/head_batch.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/causal_field.hpp"
#include "kernels/field/centring.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/field/field_statistics.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::bench::gpu {
namespace {

using namespace kernels::cuda;

/// Heads of a layer in the form that a bf16 forward pass leaves; keys have a mean, as trained ones do.
class Layer {
 public:
  Layer(const Meter& meter, const LayerSizes& s)
      : s_(s),
        meter_(meter),
        queries_(rounded(random_rows(s.heads * s.length, s.head_dim, 5))),
        keys_(rounded(random_rows(s.kv_heads * s.length, s.head_dim, 6).array() + 0.25F)),
        forms_(static_cast<std::size_t>(s.heads), {.scale = 1 / std::sqrt(number(s.head_dim))}),
        heads_(s.heads, s.kv_heads, s.length, s.head_dim, meter.stream()) {
    const Stream& stream = meter.stream();
    copy(heads_.all_queries.data(), queries_.data(), sizeof(float) * static_cast<std::size_t>(queries_.size()), stream);
    copy(heads_.all_keys.data(), keys_.data(), sizeof(float) * static_cast<std::size_t>(keys_.size()), stream);
    heads_.narrow_queries = Buffer<Bf16>(queries_.size(), stream);
    heads_.narrow_keys = Buffer<Bf16>(keys_.size(), stream);
    convert(heads_.all_queries.data(), queries_.size(), heads_.narrow_queries.data(), stream);
    convert(heads_.all_keys.data(), keys_.size(), heads_.narrow_keys.data(), stream);
    heads_.ready.emplace(stream);
    stream.wait();
  }

  /// Every statistic of scope full, softmax statistics included, in one context.
  Row full(Index context) {
    const std::vector<FieldRequest> requests{{.context = context}};
    check(measurer_.measure(heads_, forms_, requests), requests);
    // Gram matrices and triangular products; symmetry halves the work of a general product each.
    const double square = number(context * s_.head_dim * s_.head_dim);
    return {fmt::format("field statistics, full, L = {}", context),
            size(context),
            {square * number(3 * s_.heads + s_.kv_heads), Unit::float64, bytes(context)},
            meter_.by_clock([&] { measurer_.measure(heads_, forms_, requests); })};
  }

  /// The device's part of these statistics, without softmax statistics.
  Row prepared(Index context) {
    const std::vector<FieldRequest> requests{{.context = context}};
    const double square = number(context * s_.head_dim * s_.head_dim);
    return {fmt::format("of these, on the device, L = {}", context),
            size(context),
            {square * number(3 * s_.heads + s_.kv_heads), Unit::float64, bytes(context)},
            meter_.by_clock([&] {
              for (const Worker* lane : lanes_.all()) lane->room.clear();
              HeadBatch(lanes_, heads_, 0, s_.kv_heads, forms_, context).prepare(requests);
            })};
  }

  /// Every statistic of scope causal, with all singular values.
  Row causal_spectra(Index context) {
    const std::vector<FieldRequest> requests{{.context = context, .scope = Scope::causal, .route = Route::dense}};
    check(measurer_.measure(heads_, forms_, requests), requests);
    const double cube = number(context) * number(context) * number(context);
    return {fmt::format("field statistics, exact causal, L = {}", context),
            size(context),
            {number(s_.heads) * 8 / 3 * cube, Unit::float64, 8 * number(s_.heads * context * context)},
            meter_.by_clock([&] { measurer_.measure(heads_, forms_, requests); })};
  }

  /// Softmax statistics of the last head in float64, as for captures and float32 models.
  Row softmax() {
    const Worker& worker = lanes_.checks;
    const Index head = s_.heads - 1, kv_head = s_.kv_heads - 1;
    const auto run = [&] {
      worker.room.clear();
      const HostRows rows = softmax_rows(worker, heads_, head, kv_head, forms_[0], s_.length);
      worker.stream.wait();
      return rows;
    };
    const Matrix found = run().matrix();
    const kernels::AttentionRows expected =
        kernels::attention_rows(queries(head), keys(head).cast<double>(), forms_[0], s_.length);
    expect_small("softmax statistics", (found.col(1) - expected.entropy).cwiseAbs().maxCoeff(), 1e-10);
    const double pairs = 0.5 * number(s_.length) * number(s_.length + 1);
    return {"softmax statistics float64",
            fmt::format("1 head, d = {}, L = {}", s_.head_dim, s_.length),
            {2 * pairs * number(s_.head_dim), Unit::float64, 16 * pairs},
            meter_.by_clock(run)};
  }

  /// Means and energies of the causal fields of all heads.
  Row causal() {
    const double error = (causal_energies().back().queries - expected_energies()).norm();
    expect_small("causal energies", error / expected_energies().norm(), 1e-10);
    const double square = number(s_.length * s_.head_dim * s_.head_dim);
    const double tiles = number(2 * s_.length * kDeviceTileRows * s_.head_dim);
    return {"causal energies",
            size(s_.length),
            {number(s_.heads) * (4 * square + tiles), Unit::float64, bytes(s_.length)},
            meter_.by_clock([&] { causal_energies(); })};
  }

  /// The causal field of one head with capped logits, formed and summed.
  Row direct(Index context) {
    const Worker& worker = lanes_.checks;
    const LogitForm form{.scale = forms_[0].scale, .softcap = 50};
    const Buffer<double> probes = upload(probe_rows(0, context).transpose(), worker);
    FactorForm q = form_of(heads_.all_queries.data()), k = form_of(heads_.all_keys.data());
    q.rows.length = k.rows.length = context;
    q.factor = form.scale;
    const DirectHead rule{.cap = *form.softcap};
    const Buffer<DirectHead> rules{std::span<const DirectHead>(&rule, 1), worker.stream};
    Buffer<double> field(context * context, worker.stream), sums(context * kDirectSums, worker.stream);
    const auto run = [&] {
      form_field(worker, q, k, {context, rules.data(), true, true, probes.data()}, field.data(), sums.data());
      worker.stream.wait();
    };
    run();
    const Matrix expected =
        kernels::dense_field(queries(0).topRows(context), keys(0).topRows(context), form, Scope::causal);
    expect_small("direct field", (download(field, context, context) - expected).norm() / expected.norm(), 1e-12);
    return {"direct field, capped",
            fmt::format("1 head, d = {}, L = {}", s_.head_dim, context),
            {2 * number(context * context * s_.head_dim), Unit::float64, 8 * number(context * context)},
            meter_.by_clock(run)};
  }

  /// The product that dominates the work, batched as there: rows^T rows of chunks of a tall matrix, one head.
  Row gram() {
    const Worker& worker = lanes_.checks;
    const Index rows = padded_rows(s_.length), d = s_.head_dim, chunks = rows / kRowPadding;
    Buffer<double> factor(rows * d, worker.stream), parts(chunks * d * d, worker.stream);
    make_factor(form_of(heads_.all_queries.data()), factor.data(), worker.stream);
    worker.stream.wait();
    const Products products(meter_.stream(), Precision::float32);
    const Products::Rows<const double> x{factor.data(), d, kRowPadding * d};
    const auto run = [&] { products.transpose_multiply({d, d, kRowPadding, chunks}, x, x, {parts.data(), d, d * d}); };
    run();
    meter_.stream().wait();
    double trace = 0;
    const Matrix found = download(parts, chunks, d * d);
    for (Index c = 0; c < d; ++c) trace += found.col(c * d + c).sum();
    const double expected = queries_.topRows(s_.length).cast<double>().squaredNorm();
    expect_small("Gram products", std::abs(trace / expected - 1), 1e-12);
    return {"Gram products float64",
            fmt::format("1 head, d = {}, L = {}", d, s_.length),
            {2 * number(rows * d * d), Unit::float64, 8 * number(rows * d)},
            meter_.by_events(run)};
  }

 private:
  static MatrixF rounded(MatrixF x) {
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = to_float(from_float<Bf16>(x.data()[i]));
    return x;
  }
  std::string size(Index context) const {
    return fmt::format("{} heads, {} KV, d = {}, L = {}", s_.heads, s_.kv_heads, s_.head_dim, context);
  }
  /// Once for the factorisation, once for the statistics that follow from it.
  double bytes(Index context) const { return 2 * 4 * number(context * s_.head_dim * (s_.heads + s_.kv_heads)); }
  MatrixFRef queries(Index head) const { return queries_.middleRows(head * s_.length, s_.length); }
  MatrixFRef keys(Index head) const { return keys_.middleRows(head / (s_.heads / s_.kv_heads) * s_.length, s_.length); }
  FactorForm form_of(const float* rows) const {
    const HeadRows all{.data = rows, .length = s_.length, .columns = static_cast<int>(s_.head_dim)};
    return FactorForm{.rows = all};
  }

  /// Checks that all heads are certified and that the first one agrees with the CPU's.
  void check(const std::vector<std::vector<HeadStatistics>>& found, const std::vector<FieldRequest>& requests) const {
    for (const auto& of_head : found) expect_small("certificate", of_head[0].certificate.certified() ? 0 : 1, 0);
    const Index context = requests[0].context;
    const HeadGroup group{{queries(0).topRows(context)}, keys(0).topRows(context), {forms_[0]}};
    const HeadStatistics own = found[0][0], expected = kernels::field_statistics(group, requests)[0][0];
    for (std::size_t i = 0; i < expected.singular_values.size(); ++i) {
      expect_small("singular values", std::abs(own.singular_values.at(i) - expected.singular_values[i]),
                   1e-9 * expected.spectrum.sigma_max);
    }
    expect_small("entropy", std::abs(own.attention.entropy - expected.attention.entropy), 1e-4);
  }

  std::vector<kernels::CausalEnergies> causal_energies() const {
    const Worker& worker = lanes_.queries;
    worker.room.clear();
    FactorForm q = form_of(heads_.all_queries.data()), k = form_of(heads_.all_keys.data());
    q.rows.heads = s_.heads;
    q.factor = forms_[0].scale;
    k.rows.heads = s_.kv_heads;
    q.rows.head_stride = k.rows.head_stride = s_.length * s_.head_dim;
    return CausalFields(worker, q, k).energies();
  }
  Vector expected_energies() const {
    const Placement placement{0, s_.length};
    const kernels::CentredKeys centred = kernels::centred_keys(alone(), keys(s_.heads - 1), placement);
    return kernels::causal_energies(alone(), kernels::field_queries(queries(s_.heads - 1), forms_[0]),
                                    kernels::field_keys(centred, forms_[0], placement), placement)
        .queries;
  }

  const LayerSizes s_;
  const Meter& meter_;
  const MatrixF queries_, keys_;
  const std::vector<LogitForm> forms_;
  DeviceHeads heads_;
  FieldMeasurer measurer_;
  Lanes lanes_;
};

}  // namespace

void time_fields(const Meter& meter, const LayerSizes& sizes, Index short_context, const TakeRow& take) {
  Layer layer(meter, sizes);
  take(layer.gram());
  take(layer.full(sizes.length));
  take(layer.prepared(sizes.length));
  take(layer.full(short_context));
  take(layer.prepared(short_context));
  take(layer.causal_spectra(short_context));
  take(layer.softmax());
  take(layer.causal());
  take(layer.direct(short_context));
}

}  // namespace logitfield::bench::gpu
