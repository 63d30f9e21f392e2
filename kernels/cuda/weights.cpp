#include "kernels/cuda/weights.hpp"

#include <algorithm>
#include <atomic>
#include <type_traits>

namespace logitfield::kernels::cuda {
namespace {

template <class T, class Scalar>
void convert(const Scalar* values, std::int64_t count, T* out) {
  constexpr bool kSame =
      std::is_same_v<T, Scalar> || (std::is_same_v<T, Bf16> && std::is_same_v<Scalar, Eigen::bfloat16>);
  if constexpr (kSame) {
    std::memcpy(out, values, static_cast<std::size_t>(count) * sizeof(T));
  } else {
    for (std::int64_t i = 0; i < count; ++i) out[i] = from_float<T>(static_cast<float>(values[i]));
  }
}

template <class T>
DeviceLinear<T> upload_linear(Uploader& uploader, const WeightMatrix& weight, const VectorF& bias) {
  return {weight.rows(), weight.cols(),
          weight.visit([&](const auto& values) { return uploader.upload<T>(values.data(), values.size()); }),
          uploader.upload<float>(bias.data(), bias.size())};
}

template <class T>
DeviceLinear<T> upload_linear(Uploader& uploader, const Linear& map) {
  return upload_linear<T>(uploader, map.weight, map.bias);
}

template <class T>
DeviceMlp<T> upload_mlp(Uploader& uploader, const MlpWeights& weights) {
  return {upload_linear<T>(uploader, weights.up), upload_linear<T>(uploader, weights.down)};
}

}  // namespace

void Uploader::begin() {
  const std::scoped_lock lock(releasing_);
  if (released_) released_->hold_back(stream_);
  released_.reset();
}

void Uploader::note_release() {
  const std::scoped_lock lock(releasing_);
  released_.emplace(computing_);
}

std::byte* Uploader::Lane::room() {
  Piece& piece = pieces_[next_];
  if (piece.copied) piece.copied->wait();
  return piece.memory.data();
}

void Uploader::Lane::send(void* to, std::size_t bytes, const Stream& stream) {
  Piece& piece = pieces_[next_];
  copy(to, piece.memory.data(), bytes, stream);
  if (piece.copied) {
    piece.copied->move_to(stream);
  } else {
    piece.copied.emplace(stream, Waiting::asleep);
  }
  next_ = 1 - next_;
}

template <class T, class Scalar>
Buffer<T> Uploader::upload(const Scalar* values, std::int64_t count) {
  Buffer<T> out(count, stream_);
  out.release_in(computing_);
  constexpr auto kMost = static_cast<std::int64_t>(kPieceBytes / sizeof(T));
  std::atomic<std::int64_t> next = 0;
  const auto send_pieces = [&](Lane& lane) {
    for (std::int64_t begin = kMost * next++; begin < count; begin = kMost * next++) {
      const std::int64_t some = std::min(kMost, count - begin);
      convert(values + begin, some, reinterpret_cast<T*>(lane.room()));
      lane.send(out.data() + begin, static_cast<std::size_t>(some) * sizeof(T), stream_);
    }
  };
  if (count <= kMost) {
    send_pieces(lanes_.front());
  } else {
    workers_.run([&](int worker) { send_pieces(lanes_[static_cast<std::size_t>(worker)]); });
  }
  return out;
}

DeviceNorm upload_norm(Uploader& uploader, const Norm& norm) {
  DeviceNorm out{norm.present,
                 {norm.centred, norm.epsilon},
                 norm.gain.size(),
                 uploader.upload<float>(norm.gain.data(), norm.gain.size()),
                 uploader.upload<float>(norm.bias.data(), norm.bias.size())};
  out.view.gain = out.gain.data();
  out.view.bias = out.bias.data();
  return out;
}

template <class T>
std::unique_ptr<DeviceLayer<T>> upload_layer(Uploader& uploader, const LayerWeights& w) {
  const std::scoped_lock lock(uploader.in_use());
  uploader.begin();
  auto out = std::make_unique<DeviceLayer<T>>(uploader);
  io::visit_norms([&](DeviceNorm& to, const Norm& from) { to = upload_norm(uploader, from); }, *out, w);
  io::visit_maps([&](DeviceLinear<T>& to, const Linear& from) { to = upload_linear<T>(uploader, from); }, *out, w);
  out->router = upload_linear<T>(uploader, w.router, {});
  out->shared_router = upload_linear<T>(uploader, w.shared_router, {});
  out->mlp = upload_mlp<T>(uploader, w.mlp);
  for (const MlpWeights& expert : w.experts) out->experts.push_back(upload_mlp<T>(uploader, expert));
  out->router_bias = w.router_bias;
  out->router_logit_bias = w.router_logit_bias;
  out->first_expert = w.first_expert;
  out->ready.emplace(uploader);
  return out;
}
template std::unique_ptr<DeviceLayer<float>> upload_layer(Uploader&, const LayerWeights&);
template std::unique_ptr<DeviceLayer<Bf16>> upload_layer(Uploader&, const LayerWeights&);

template <class T>
std::unique_ptr<DeviceMap<T>> upload_map(Uploader& uploader, const Linear& map) {
  const std::scoped_lock lock(uploader.in_use());
  uploader.begin();
  auto out = std::make_unique<DeviceMap<T>>(uploader);
  out->map = upload_linear<T>(uploader, map);
  out->ready.emplace(uploader);
  return out;
}
template std::unique_ptr<DeviceMap<float>> upload_map(Uploader&, const Linear&);
template std::unique_ptr<DeviceMap<Bf16>> upload_map(Uploader&, const Linear&);

}  // namespace logitfield::kernels::cuda
