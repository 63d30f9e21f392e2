#include "kernels/cuda/block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "kernels/block_cost.hpp"
#include "kernels/cpu/experts.hpp"
#include "kernels/cpu/rotary.hpp"

namespace logitfield::kernels::cuda {
namespace {

void check_head_size(const BlockShape& shape) {
  const Index widest = std::max(shape.head_dim, shape.value_dim);
  if (widest <= kMostDeviceHeadColumns) return;
  throw DeviceError(fmt::format("heads of {} columns are wider than the back end 'cuda' supports ({}); use CPUs",
                                widest, kMostDeviceHeadColumns));
}

}  // namespace

RotaryView RotaryTables::view(const io::Rotary& rotary, Index length, const Stream& stream) {
  const std::vector<double>& frequencies = rotary.frequencies_at(length);
  const auto same = [&](const Entry& e) {
    return e.length == length && e.amplitude == rotary.amplitude && e.frequencies == frequencies;
  };
  auto found = std::ranges::find_if(entries_, same);
  if (found == entries_.end()) {
    const cpu::RotaryTable table = cpu::rotary_table(rotary, length);
    const auto span = [](const MatrixF& m) { return std::span<const float>(m.data(), m.data() + m.size()); };
    entries_.push_front({frequencies, rotary.amplitude, length, Buffer<float>(span(table.cosine), stream),
                         Buffer<float>(span(table.sine), stream)});
    stream.wait();  // the host's tables are freed now
    found = entries_.begin();
  }
  return {found->cosine.data(), found->sine.data(), static_cast<int>(rotary.first_column),
          static_cast<int>(frequencies.size()), rotary.pairs};
}

const HeadForm* HeadForms::on_device(std::span<const LogitForm> forms, const Stream& stream) {
  std::vector<HeadForm> wanted = head_forms(forms);
  if (wanted != host_) {
    host_ = std::move(wanted);
    device_ = Buffer<HeadForm>(host_, stream);
    stream.wait();  // a copy might read the host's memory later
  }
  return device_.data();
}

template <class T>
Buffer<T> Block<T>::normalised(const float* rows, Index stride, Index length, Index columns, const DeviceNorm& norm) {
  Buffer<T> out(length * columns, stream_);
  if (norm.present) {
    normalise(rows, stride, length, columns, norm.view, out.data(), stream_);
  } else {
    convert_rows(rows, stride, length, columns, out.data(), columns, stream_);
  }
  return out;
}

template <class T>
void Block<T>::multiply(const T* x, Index rows, const DeviceLinear<T>& map, float* out) {
  products_.linear({rows, map.outputs, map.inputs}, {x, map.inputs}, {map.weight.data(), map.inputs},
                   {out, map.outputs});
  if (map.bias.size() > 0) add_bias(map.bias.data(), rows, map.outputs, out, stream_);
}

template <class T>
Buffer<float> Block<T>::multiply(const Buffer<T>& x, Index rows, const DeviceLinear<T>& map) {
  Buffer<float> out(rows * map.outputs, stream_);
  multiply(x.data(), rows, map, out.data());
  return out;
}

template <class T>
std::unique_ptr<DeviceActivations> Block<T>::linear(const DeviceActivations& rows, const DeviceLinear<T>& map) {
  Buffer<T> x(rows.rows() * rows.cols(), stream_);
  convert(rows.values.data(), x.size(), x.data(), stream_);
  auto out = std::make_unique<DeviceActivations>(rows.rows(), map.outputs, stream_);
  multiply(x.data(), rows.rows(), map, out->values.data());
  return out;
}

template <class T>
auto Block<T>::project_directly(const BlockShape& s, const DeviceLayer<T>& w, const Buffer<T>& x, Index length)
    -> Projected {
  Projected out{multiply(x, length, w.qkv), {}, {}, {}, {}};
  const int d = static_cast<int>(s.head_dim), v = static_cast<int>(s.value_dim);
  const Index keys = s.num_heads * d, values = keys + s.num_kv_heads * d;
  const HeadColumns from{.rows = out.a.data(), .stride = w.qkv.outputs, .head_stride = d, .own = d};
  out.queries = out.keys = out.values = from;
  out.keys.first = keys;
  out.values.first = values;
  out.values.head_stride = out.values.own = v;
  return out;
}

template <class T>
auto Block<T>::project(const BlockShape& s, const DeviceLayer<T>& w, const Buffer<T>& x, Index length) -> Projected {
  if (s.latent_size == 0) return project_directly(s, w, x, length);
  const int d = static_cast<int>(s.head_dim);
  Buffer<T> latent_queries;
  if (w.query_down.outputs > 0) {
    const Buffer<float> down = multiply(x, length, w.query_down);
    latent_queries = normalised(down.data(), w.query_down.outputs, length, w.query_down.outputs, w.latent_query_norm);
  }
  Projected out{multiply(latent_queries.size() > 0 ? latent_queries : x, length, w.qkv), {}, {}, {}, {}};
  out.queries = {.rows = out.a.data(), .stride = w.qkv.outputs, .head_stride = d, .own = d};

  // One buffer holds the latent, then the key columns that all heads share, then keys and values by head.
  const Index down_columns = w.key_value_down.outputs, up_columns = w.key_value_up.outputs;
  out.b = Buffer<float>(length * (down_columns + up_columns), stream_);
  float* down = out.b.data();
  float* up = down + length * down_columns;
  multiply(x.data(), length, w.key_value_down, down);
  const Buffer<T> latent = normalised(down, down_columns, length, s.latent_size, w.latent_norm);
  multiply(latent.data(), length, w.key_value_up, up);
  const auto own = static_cast<int>(s.head_dim - (down_columns - s.latent_size));
  out.keys = {.rows = up,
              .stride = up_columns,
              .head_stride = own + s.value_dim,
              .own = own,
              .shared_rows = down + s.latent_size,
              .shared_stride = down_columns};
  out.values = {.rows = up,
                .stride = up_columns,
                .first = own,
                .head_stride = own + s.value_dim,
                .own = static_cast<int>(s.value_dim)};
  return out;
}

template <class T>
Buffer<float> Block<T>::position_factors(const HeadColumns& from, const DeviceNorm& norm, Index heads, Index length,
                                         Index columns, Index of_all, const Team& shards) {
  if (!norm.present || of_all == 0) return {};
  if (norm.view.centred) throw std::invalid_argument("a norm over all heads must not be centred");
  Buffer<double> squares(length, stream_);
  head_squares(from, heads, length, static_cast<int>(columns), squares.data(), stream_);
  std::vector<double> sums = squares.read();
  shards.sum(sums);
  std::vector<float> factors;
  for (const double sum : sums) {
    factors.push_back(static_cast<float>(1 / std::sqrt(sum / static_cast<double>(of_all) + norm.view.epsilon)));
  }
  Buffer<float> out(factors, stream_);
  stream_.wait();  // the host's factors are freed now
  return out;
}

template <class T>
HeadSteps Block<T>::steps_of(const BlockShape& s, const DeviceNorm& norm, Index length) {
  HeadSteps out;
  out.has_norm = norm.present;
  out.norm = norm.view;
  out.norm_last = s.norm_after_rotation;
  out.gain_by_head = norm.gain_size > s.head_dim;
  if (s.clip) out.clip = *s.clip;
  if (s.rotary) out.rotary = tables_.view(*s.rotary, length, stream_);
  return out;
}

template <class T>
AttentionOutput Block<T>::attention(const BlockShape& s, const DeviceLayer<T>& w, const Team& shards,
                                    const DeviceActivations& hidden) {
  check_head_size(s);
  const Index length = hidden.rows();
  const int d = static_cast<int>(s.head_dim), v = static_cast<int>(s.value_dim);
  const Projected from =
      project(s, w, normalised(hidden.values.data(), hidden.cols(), length, hidden.cols(), w.attention_norm), length);
  const Buffer<float> query_factors =
      position_factors(from.queries, w.query_norm, s.num_heads, length, d, s.query_norm_columns, shards);
  const Buffer<float> key_factors =
      position_factors(from.keys, w.key_norm, s.num_kv_heads, length, d, s.key_norm_columns, shards);

  auto heads = std::make_unique<DeviceHeads>(s.num_heads, s.num_kv_heads, length, d, stream_);
  Buffer<T> queries(s.num_heads * length * padded(d), stream_), keys(s.num_kv_heads * length * padded(d), stream_),
      values(s.num_kv_heads * length * padded(v), stream_);
  HeadSteps of_queries = steps_of(s, w.query_norm, length), of_keys = steps_of(s, w.key_norm, length), of_values;
  of_queries.row_factors = query_factors.data();
  of_queries.factor = s.query_scale;
  of_keys.row_factors = key_factors.data();
  of_values.clip = of_keys.clip;
  prepare_heads(from.queries, of_queries, s.num_heads, length, d, heads->all_queries.data(), queries.data(), stream_);
  prepare_heads(from.keys, of_keys, s.num_kv_heads, length, d, heads->all_keys.data(), keys.data(), stream_);
  heads->ready.emplace(stream_);
  prepare_heads(from.values, of_values, s.num_kv_heads, length, v, nullptr, values.data(), stream_);

  Buffer<T> mixed(length * s.num_heads * v, stream_);
  attend({s.num_heads, s.num_kv_heads, length, d, v}, forms_.on_device(s.forms, stream_), queries.data(), keys.data(),
         values.data(), mixed.data(), stream_);
  if constexpr (std::is_same_v<T, Bf16>) {
    heads->narrow_queries = std::move(queries);
    heads->narrow_keys = std::move(keys);
  }
  auto partial = std::make_unique<DeviceActivations>(length, w.output.outputs, stream_);
  multiply(mixed.data(), length, w.output, partial->values.data());
  return {std::move(partial), std::move(heads)};
}

template <class T>
void Block<T>::feed_forward(const BlockShape& s, const DeviceMlp<T>& w, const T* rows, Index count, float* out) {
  const Index inner = s.gated ? w.up.outputs / 2 : w.up.outputs;
  for (Index first = 0; first < count; first += kDeviceFeedForwardRows) {
    const Index some = std::min(kDeviceFeedForwardRows, count - first);
    Buffer<T> up(some * w.up.outputs, stream_), activated(some * inner, stream_);
    products_.linear({some, w.up.outputs, w.up.inputs}, {rows + first * w.up.inputs, w.up.inputs},
                     {w.up.weight.data(), w.up.inputs}, {up.data(), w.up.outputs});
    if (s.clamped_gate) {
      activate(*s.clamped_gate, up.data(), w.up.bias.data(), some, inner, activated.data(), stream_);
    } else {
      activate(s.activation, s.gated, up.data(), w.up.bias.data(), some, inner, activated.data(), stream_);
    }
    multiply(activated.data(), some, w.down, out + first * w.down.outputs);
  }
}

template <class T>
void Block<T>::add_shared_expert(const BlockShape& s, const DeviceLayer<T>& w, const Buffer<T>& rows, Index length,
                                 float* out) {
  std::vector<float> shares(static_cast<std::size_t>(length));
  multiply(rows, length, w.shared_router).read(shares);
  std::ranges::transform(shares, shares.begin(), cpu::share_of_shared_expert);
  std::vector<std::int32_t> all(shares.size());
  std::iota(all.begin(), all.end(), 0);
  const Buffer<std::int32_t> which(all, stream_);
  const Buffer<float> share(shares, stream_);
  Buffer<float> said(length * s.hidden_size, stream_);
  feed_forward(s, w.mlp, rows.data(), length, said.data());
  scatter_add(said.data(), which.data(), share.data(), length, s.hidden_size, out, stream_);
  stream_.wait();  // the host's numbers are freed now
}

template <class T>
void Block<T>::add_experts(const BlockShape& s, const DeviceLayer<T>& w, const Buffer<T>& rows, Index length,
                           float* out) {
  MatrixF logits(length, w.router.outputs);
  multiply(rows, length, w.router).read({logits.data(), static_cast<std::size_t>(logits.size())});
  if (w.router_logit_bias.size() > 0) logits.rowwise() += w.router_logit_bias.transpose();
  std::vector<std::vector<std::int32_t>> tokens(w.experts.size());
  std::vector<std::vector<float>> shares(w.experts.size());
  for (Index i = 0; i < length; ++i) {
    for (const cpu::Choice& choice : cpu::choose_experts(*s.routing, logits.row(i), w.router_bias)) {
      const Index own = choice.expert - w.first_expert;
      if (own < 0 || own >= std::ssize(tokens)) continue;
      tokens[static_cast<std::size_t>(own)].push_back(static_cast<std::int32_t>(i));
      shares[static_cast<std::size_t>(own)].push_back(choice.weight);
    }
  }
  for (std::size_t e = 0; e < tokens.size(); ++e) {
    const Index count = std::ssize(tokens[e]);
    if (count == 0) continue;
    const Buffer<std::int32_t> which(tokens[e], stream_);
    const Buffer<float> share(shares[e], stream_);
    Buffer<T> gathered(count * s.hidden_size, stream_);
    Buffer<float> said(count * s.hidden_size, stream_);
    gather(rows.data(), which.data(), count, s.hidden_size, gathered.data(), stream_);
    feed_forward(s, w.experts[e], gathered.data(), count, said.data());
    scatter_add(said.data(), which.data(), share.data(), count, s.hidden_size, out, stream_);
  }
  stream_.wait();  // tokens and shares are freed now
}

template <class T>
std::unique_ptr<DeviceActivations> Block<T>::mlp(const BlockShape& s, const DeviceLayer<T>& w,
                                                 const DeviceActivations& hidden) {
  const Index length = hidden.rows();
  const Buffer<T> rows = normalised(hidden.values.data(), hidden.cols(), length, hidden.cols(), w.mlp_norm);
  auto out = std::make_unique<DeviceActivations>(length, s.hidden_size, stream_);
  if (w.shared_router.outputs > 0) {
    out->values.zero();
    add_shared_expert(s, w, rows, length, out->values.data());
  } else if (w.mlp.up.outputs > 0) {
    feed_forward(s, w.mlp, rows.data(), length, out->values.data());
  } else {
    out->values.zero();
  }
  if (s.routing && w.router.outputs > 0) add_experts(s, w, rows, length, out->values.data());
  return out;
}

template class Block<float>;
template class Block<Bf16>;

}  // namespace logitfield::kernels::cuda
