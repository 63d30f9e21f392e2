#include "pipeline/against.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "io/capture_format.hpp"
#include "io/capture_logits.hpp"
#include "io/error.hpp"
#include "pipeline/forward_pass.hpp"
#include "pipeline/output_layer.hpp"

namespace logitfield {
namespace {

using kernels::MatrixF;

/// Infinite where anything is not finite, so that no comparison lets it pass.
double finite_or_infinite(double value) {
  return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
}

double relative_difference(const kernels::MatrixFRef& own, double own_factor, const MatrixF& other,
                           double other_factor) {
  const kernels::Matrix expected = other_factor * other.cast<double>();
  const double largest = expected.cwiseAbs().maxCoeff();
  const double difference = (own_factor * own.cast<double>() - expected).cwiseAbs().maxCoeff();
  if (!own.allFinite()) return std::numeric_limits<double>::infinity();  // the largest of NaNs is any number
  return difference == 0 ? 0 : finite_or_infinite(difference / largest);
}

class Comparison final : public LayerObserver {
 public:
  Comparison(const ForwardContext& c, const io::Capture& capture)
      : c_(c),
        capture_(capture),
        shard_(shard_of(c.plan.partition, c.world.rank())),
        stage_ranks_(c.world.split(c.plan.partition.grid.stage_of(c.world.rank()))) {
    const io::CaptureInfo& info = capture.info();
    out_.num_layers = info.num_layers;
    out_.num_heads = info.num_heads;
    out_.num_kv_heads = info.num_kv_heads;
    out_.queries.assign(static_cast<std::size_t>(info.num_layers * info.num_heads), 0);
    out_.keys.assign(static_cast<std::size_t>(info.num_layers * info.num_kv_heads), 0);
  }

  Differences run() {
    run_forward(c_, stage_ranks_, *this);
    c_.world.max(out_.queries);
    c_.world.max(out_.keys);
    c_.world.max({&logit_difference_, 1});
    c_.world.max({&largest_logit_, 1});
    if (logits_) out_.logits = logit_difference_ == 0 ? 0 : finite_or_infinite(logit_difference_ / largest_logit_);
    return out_;
  }

  void use_logits(io::CaptureLogits logits) { logits_.emplace(std::move(logits)); }

  void loaded(std::int64_t, const kernels::BlockShape&, const kernels::LayerWeights&) override {}

  void heads(std::int64_t, std::int64_t layer, const kernels::Heads& own) override {
    const std::int64_t length = c_.job.length(), d = c_.job.head_dim;
    MatrixF recorded(length, d);
    const std::span<float> values(recorded.data(), static_cast<std::size_t>(recorded.size()));
    for (std::int64_t h = shard_.heads.begin; h < shard_.heads.end; ++h) {
      capture_.read_queries(layer, h, {0, length}, values);
      out_.queries[layer * out_.num_heads + h] = relative_difference(
          own.queries(h - shard_.heads.begin, 0, length), c_.job.forms[h].scale, recorded, capture_.info().scale);
    }
    for (std::int64_t h = shard_.kv_heads.begin; h < shard_.kv_heads.end; ++h) {
      capture_.read_keys(layer, h, {0, length}, values);
      out_.keys[layer * out_.num_kv_heads + h] =
          relative_difference(own.keys(h - shard_.kv_heads.begin, 0, length), 1, recorded, 1);
    }
  }

  void finished(std::vector<TextStates> texts) override {
    if (!logits_) return;
    const OutputLayer output(c_, shard_.vocabulary);
    output.for_each_tile(std::move(texts), [&](std::size_t, const kernels::Activations& own, std::int64_t first_token) {
      own.read([&](const MatrixF& logits) { compare_logits(logits, first_token); });
    });
  }

 private:
  void compare_logits(const MatrixF& own, std::int64_t first_token) {
    MatrixF recorded(own.rows(), own.cols());
    logits_->read({first_token, first_token + own.cols()},
                  {recorded.data(), static_cast<std::size_t>(recorded.size())});
    const double difference = own.allFinite() ? static_cast<double>((own - recorded).cwiseAbs().maxCoeff())
                                              : std::numeric_limits<double>::infinity();
    logit_difference_ = std::max(logit_difference_, difference);
    largest_logit_ = std::max(largest_logit_, static_cast<double>(recorded.cwiseAbs().maxCoeff()));
  }

  const ForwardContext& c_;
  const io::Capture& capture_;
  const Shard shard_;
  const mpi::Communicator stage_ranks_;
  std::optional<io::CaptureLogits> logits_;
  Differences out_;
  double logit_difference_ = 0, largest_logit_ = 0;
};

void require_same(const std::string& file, const char* what, std::int64_t capture, std::int64_t model) {
  if (capture == model) return;
  throw InputError("{}: {} is {}, but the model has {}; use a capture of this model", file, what, capture, model);
}

/// Slopes and soft-cap come from configurations on both sides: any difference beyond rounding is another model.
void require_same_form(const std::string& file, const io::CaptureInfo& info, const io::ModelConfig& config) {
  const auto close = [](double a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b); };
  if (info.alibi_slopes.size() != config.alibi_slopes.size() ||
      !std::ranges::equal(info.alibi_slopes, config.alibi_slopes, close)) {
    throw InputError("{}: alibi_slopes differ from the model's; use a capture of this model", file);
  }
  if (info.logit_softcap.has_value() != config.logit_softcap.has_value() ||
      (info.logit_softcap && !close(*info.logit_softcap, *config.logit_softcap))) {
    throw InputError("{}: logit_softcap differs from the model's; use a capture of this model", file);
  }
}

struct Largest {
  double value = 0;
  std::int64_t layer = 0, head = 0;
};

Largest largest_of(const std::vector<double>& values, std::int64_t heads) {
  const auto at = std::ranges::max_element(values);
  const std::int64_t index = at - values.begin();
  return {*at, index / heads, index % heads};
}

}  // namespace

double Differences::largest() const { return std::max({std::ranges::max(queries), std::ranges::max(keys), logits}); }

Job comparison_job(const Options& options, const io::Capture& capture) {
  const io::CaptureInfo& info = capture.info();
  const std::string file = io::capture_info_path(capture.folder()).string();
  const std::filesystem::path tokens = capture.folder() / "tokens.npy";
  if (!std::filesystem::exists(tokens)) {
    throw InputError(
        "{}: is missing, so that the model cannot be given the same text; record the capture with "
        "io/capture_hf.py, or put the token ids there",
        tokens.string());
  }
  Job job = open_input(options);
  const io::ModelConfig& config = job.checkpoint->config();
  require_same(file, "num_layers", info.num_layers, config.num_layers);
  require_same(file, "num_heads", info.num_heads, config.num_heads);
  require_same(file, "num_kv_heads", info.num_kv_heads, config.num_kv_heads);
  require_same(file, "head_dim", info.head_dim, config.head_dim);
  require_same_form(file, info, config);
  job.texts = {io::read_tokens(tokens, config.vocab_size)};
  const auto count = static_cast<std::int64_t>(job.texts[0].tokens.size());
  if (count != info.num_tokens) {
    throw InputError("{}: holds {} tokens, but {} says {}; record the capture again", tokens.string(), count, file,
                     info.num_tokens);
  }
  if (count > config.max_positions || count < 2) {
    throw InputError("{}: holds {} tokens, but the model takes 2 to {}; record a shorter capture", tokens.string(),
                     count, config.max_positions);
  }
  job.contexts = {count};
  job.scopes = {kernels::Scope::full};
  job.measured_layers = {0, job.num_layers};
  return job;
}

Differences compare(const ForwardContext& context, const io::Capture& capture) {
  Comparison comparison(context, capture);
  const std::filesystem::path logits = capture.folder() / "logits.safetensors";
  if (std::filesystem::exists(logits)) {
    const std::int64_t vocabulary = context.job.checkpoint->config().vocab_size;
    comparison.use_logits(io::CaptureLogits(logits, context.job.length(), vocabulary));
  }
  return comparison.run();
}

std::string describe(const Differences& d) {
  std::string out = fmt::format("{:>6} {:>6} {:>12} {:>12}\n", "layer", "head", "queries", "keys");
  const std::int64_t group = d.num_heads / d.num_kv_heads;
  for (std::int64_t layer = 0; layer < d.num_layers; ++layer) {
    for (std::int64_t h = 0; h < d.num_heads; ++h) {
      out += fmt::format("{:>6} {:>6} {:>12.3g} {:>12.3g}\n", layer, h, d.queries[layer * d.num_heads + h],
                         d.keys[layer * d.num_kv_heads + h / group]);
    }
  }
  const Largest q = largest_of(d.queries, d.num_heads), k = largest_of(d.keys, d.num_kv_heads);
  out +=
      fmt::format("largest relative difference: queries {:.3g} (layer {}, head {}), keys {:.3g} (layer {}, KV head {})",
                  q.value, q.layer, q.head, k.value, k.layer, k.head);
  return out + (d.logits < 0 ? "; the capture holds no logits\n" : fmt::format(", final logits {:.3g}\n", d.logits));
}

}  // namespace logitfield
