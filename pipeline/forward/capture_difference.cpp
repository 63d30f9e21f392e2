#include "pipeline/forward/capture_difference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "io/capture/capture_format.hpp"
#include "io/capture/capture_logits.hpp"
#include "io/error.hpp"
#include "pipeline/forward/angle_rounding.hpp"
#include "pipeline/forward/forward_pass.hpp"
#include "pipeline/forward/output_layer.hpp"

namespace logitfield {
namespace {

using kernels::MatrixF;

/// Returns infinity for a value that is not finite, so that it exceeds every tolerance.
double finite_or_infinite(double value) {
  return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
}

/// Effect of float32 angles on the rows of a layer's heads.
struct Turning {
  const io::Rotary* rotary = nullptr;
  /// Angle errors, radians per position, by pair; empty if nothing rotates.
  std::vector<double> errors;

  /// The columns of pair k in a head's row.
  std::pair<kernels::Index, kernels::Index> pair(std::size_t k) const {
    const auto first = rotary->first_column + static_cast<kernels::Index>(k);
    const auto second = first + static_cast<kernels::Index>(errors.size());
    return rotary->pairs == io::RotaryPairs::neighbours
               ? std::pair{2 * first - rotary->first_column, 2 * first + 1 - rotary->first_column}
               : std::pair{first, second};
  }
};

Turning turning_of(const io::ModelConfig& config, std::int64_t layer, std::int64_t length) {
  const int rotary = config.layers[static_cast<std::size_t>(layer)].rotary;
  if (rotary < 0) return {};
  const io::Rotary& own = config.rotaries[static_cast<std::size_t>(rotary)];
  return {&own, float32_angle_errors(own.frequencies_at(length))};
}

struct HeadDifference {
  double largest = 0, explained = 0, unexplained = 0, lengths = 0;
};

/// If the angle of a pair is off by e, the pair moves by at most e times its length.
HeadDifference difference_of(const kernels::Matrix& own, const kernels::Matrix& recorded, const Turning& turning) {
  const double scale = recorded.cwiseAbs().maxCoeff();
  HeadDifference out;
  Eigen::RowVectorXd apart(own.cols());
  for (kernels::Index i = 0; i < own.rows(); ++i) {
    apart = (own.row(i) - recorded.row(i)).cwiseAbs();
    const double largest = apart.maxCoeff<Eigen::PropagateNaN>();
    double allowed = 0;
    for (std::size_t k = 0; k < turning.errors.size(); ++k) {
      const auto [x, y] = turning.pair(k);
      const double length = std::hypot(recorded(i, x), recorded(i, y));
      allowed = std::max(allowed, static_cast<double>(i) * turning.errors[k] * length);
      apart[x] = apart[y] = std::abs(std::hypot(own(i, x), own(i, y)) - length);
    }
    out.largest = kernels::larger(out.largest, largest);
    out.explained = std::max(out.explained, allowed);
    out.unexplained = kernels::larger(out.unexplained, largest - allowed);
    out.lengths = kernels::larger(out.lengths, apart.maxCoeff<Eigen::PropagateNaN>());
  }
  for (double* value : {&out.largest, &out.explained, &out.unexplained, &out.lengths}) {
    *value = *value == 0 ? 0 : finite_or_infinite(*value / scale);
  }
  return out;
}

HeadDifferences no_differences(std::int64_t layers, std::int64_t heads) {
  const std::vector<double> none(static_cast<std::size_t>(layers * heads), 0);
  return {heads, none, none, none, none};
}

void put(const HeadDifference& found, std::int64_t layer, std::int64_t head, HeadDifferences& all) {
  const auto at = static_cast<std::size_t>(layer * all.heads + head);
  all.largest[at] = found.largest;
  all.explained[at] = found.explained;
  all.unexplained[at] = found.unexplained;
  all.lengths[at] = found.lengths;
}

void share(const mpi::Communicator& world, HeadDifferences& all) {
  for (std::vector<double>* values : {&all.largest, &all.explained, &all.unexplained, &all.lengths}) world.max(*values);
}

class CaptureDifference final : public LayerObserver {
 public:
  CaptureDifference(const ForwardContext& c, const io::Capture& capture)
      : c_(c),
        capture_(capture),
        shard_(shard_of(c.plan.partition, c.world.rank())),
        stage_ranks_(c.world.split(c.plan.partition.grid.stage_of(c.world.rank()))) {
    const io::CaptureInfo& info = capture.info();
    out_.num_layers = info.num_layers;
    out_.queries = no_differences(info.num_layers, info.num_heads);
    out_.keys = no_differences(info.num_layers, info.num_kv_heads);
  }

  Differences run() {
    run_forward(c_, stage_ranks_, *this);
    share(c_.world, out_.queries);
    share(c_.world, out_.keys);
    c_.world.max(logit_differences_);
    c_.world.max({&largest_logit_, 1});
    if (logits_) judge_logits();
    return out_;
  }

  void use_logits(io::CaptureLogits logits) {
    logits_.emplace(std::move(logits));
    logit_differences_.assign(static_cast<std::size_t>(c_.job.length()), 0);
  }

  void loaded(std::int64_t, const kernels::BlockShape&, const kernels::LayerWeights&) override {}

  void heads(const UnitPlace& unit, const kernels::Heads& own) override {
    const std::int64_t layer = unit.layer;
    const std::int64_t length = c_.job.length(), d = c_.job.head_dim;
    const Turning turning = turning_of(c_.job.checkpoint().config(), layer, length);
    MatrixF recorded(length, d);
    const std::span<float> values(recorded.data(), static_cast<std::size_t>(recorded.size()));
    for (std::int64_t h = shard_.heads.begin; h < shard_.heads.end; ++h) {
      capture_.read_queries(layer, h, {0, length}, values);
      const MatrixF queries = own.queries(h - shard_.heads.begin, 0, length);
      put(difference_of(c_.job.forms[h].scale * queries.cast<double>(), capture_.info().scale * recorded.cast<double>(),
                        turning),
          layer, h, out_.queries);
    }
    for (std::int64_t h = shard_.kv_heads.begin; h < shard_.kv_heads.end; ++h) {
      capture_.read_keys(layer, h, {0, length}, values);
      const MatrixF keys = own.keys(h - shard_.kv_heads.begin, 0, length);
      put(difference_of(keys.cast<double>(), recorded.cast<double>(), turning), layer, h, out_.keys);
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
    logits_->read({first_token, first_token + own.cols()}, kernels::as_span(recorded));
    for (kernels::Index i = 0; i < own.rows(); ++i) {
      const float off = (own.row(i) - recorded.row(i)).cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
      double& largest = logit_differences_[static_cast<std::size_t>(i)];
      largest = std::max(largest, finite_or_infinite(static_cast<double>(off)));
    }
    largest_logit_ = std::max(largest_logit_, static_cast<double>(recorded.cwiseAbs().maxCoeff()));
  }

  /// Angle errors also change hidden states, and so the logits. No bound is known for logits, so each may differ by the
  /// largest angle error at its position.
  void judge_logits() {
    double error = 0;
    for (std::int64_t layer = 0; layer < out_.num_layers; ++layer) {
      for (const double e : turning_of(c_.job.checkpoint().config(), layer, c_.job.length()).errors) {
        error = std::max(error, e);
      }
    }
    out_.logits = 0;
    for (std::size_t i = 0; i < logit_differences_.size(); ++i) {
      if (logit_differences_[i] == 0) continue;
      const double off = finite_or_infinite(logit_differences_[i] / largest_logit_);
      out_.logits = std::max(out_.logits, off);
      out_.logits_unexplained = std::max(out_.logits_unexplained, off - static_cast<double>(i) * error);
    }
  }

  const ForwardContext& c_;
  const io::Capture& capture_;
  const Shard shard_;
  const mpi::Communicator stage_ranks_;
  std::optional<io::CaptureLogits> logits_;
  Differences out_;
  /// Largest difference of the logits at each position.
  std::vector<double> logit_differences_;
  double largest_logit_ = 0;
};

void require_same(const std::string& file, const char* what, std::int64_t capture, std::int64_t model) {
  if (capture == model) return;
  throw InputError("{}: {} is {}, but the model has {}; use a capture of this model", file, what, capture, model);
}

/// Compares slopes and soft-cap. Both sides read them from configurations, so any difference beyond rounding means
/// another model.
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

/// Describes the first head that differs by more than the tolerance; empty if none does.
std::string fault(const HeadDifferences& d, const char* name, double tolerance) {
  const auto at = std::ranges::find_if(d.unexplained, [&](double value) { return value > tolerance; });
  if (at == d.unexplained.end()) return {};
  const auto index = at - d.unexplained.begin();
  const auto place = static_cast<std::size_t>(index);
  const std::string where = fmt::format("first in layer {}, {} {}: ", index / d.heads, name, index % d.heads);
  if (d.lengths[place] <= tolerance) {
    return where + fmt::format(
                       "pairs of columns have the right length (to {:.2g}) but a wrong angle: the rotation differs; "
                       "compare rope_theta, the rotary scaling and the positions\n",
                       d.lengths[place]);
  }
  return where +
         fmt::format(
             "pairs of columns have a wrong length (by {:.2g}), which no rotation explains: projections, biases, "
             "norms or their inputs differ\n",
             d.lengths[place]);
}

}  // namespace

double Differences::unexplained() const {
  return std::max({std::ranges::max(queries.unexplained), std::ranges::max(keys.unexplained), logits_unexplained});
}

Job comparison_job(const Options& options, const io::Capture& capture) {
  const io::CaptureInfo& info = capture.info();
  const std::string file = io::capture_info_path(capture.folder()).string();
  const std::filesystem::path tokens = io::capture_tokens_path(capture.folder());
  if (!std::filesystem::exists(tokens)) {
    throw InputError(
        "{}: is missing, so the text of the capture is unknown; record the capture with io/capture/capture_hf.py, or "
        "put its token ids there",
        tokens.string());
  }
  Job job = open_input(options);
  const io::ModelConfig& config = job.checkpoint().config();
  require_same(file, "num_layers", info.num_layers, config.num_layers);
  require_same(file, "num_heads", info.num_heads, config.num_heads);
  require_same(file, "num_kv_heads", info.num_kv_heads, config.num_kv_heads);
  require_same(file, "head_dim", info.head_dim, config.head_dim);
  require_same_form(file, info, config);
  job.set_texts({io::read_tokens(tokens, config.vocab_size)});
  const auto count = static_cast<std::int64_t>(job.texts()[0].tokens.size());
  if (count != info.num_tokens) {
    throw InputError("{}: holds {} tokens, but {} says {}; record the capture again", tokens.string(), count, file,
                     info.num_tokens);
  }
  if (count > config.max_positions || count < 2) {
    throw InputError("{}: holds {} tokens, but the model accepts 2 to {}; record another capture", tokens.string(),
                     count, config.max_positions);
  }
  job.contexts = {count};
  job.scopes = {kernels::Scope::full};
  job.measured_layers = {0, job.num_layers};
  return job;
}

Differences compare(const ForwardContext& context, const io::Capture& capture) {
  CaptureDifference comparison(context, capture);
  const std::filesystem::path logits = capture.folder() / "logits.safetensors";
  if (std::filesystem::exists(logits)) {
    const std::int64_t vocabulary = context.job.checkpoint().config().vocab_size;
    comparison.use_logits(io::CaptureLogits(logits, context.job.length(), vocabulary));
  }
  return comparison.run();
}

std::string describe(const Differences& d, double tolerance) {
  std::string out = fmt::format("{:>6} {:>6} {:>12} {:>12}\n", "layer", "head", "queries", "keys");
  const std::int64_t heads = d.queries.heads, kv_heads = d.keys.heads, group = heads / kv_heads;
  for (std::int64_t layer = 0; layer < d.num_layers; ++layer) {
    for (std::int64_t h = 0; h < heads; ++h) {
      out += fmt::format("{:>6} {:>6} {:>12.3g} {:>12.3g}\n", layer, h, d.queries.largest[layer * heads + h],
                         d.keys.largest[layer * kv_heads + h / group]);
    }
  }
  const Largest q = largest_of(d.queries.largest, heads), k = largest_of(d.keys.largest, kv_heads);
  out +=
      fmt::format("largest relative difference: queries {:.3g} (layer {}, head {}), keys {:.3g} (layer {}, KV head {})",
                  q.value, q.layer, q.head, k.value, k.layer, k.head);
  out += d.logits < 0 ? "; the capture holds no logits\n" : fmt::format(", final logits {:.3g}\n", d.logits);
  const double explained = std::max(std::ranges::max(d.queries.explained), std::ranges::max(d.keys.explained));
  if (explained > 0) {
    out += fmt::format(
        "rotation angles in float32, as transformers computes them, explain up to {:.3g} at the last positions; left "
        "unexplained: queries {:.3g}, keys {:.3g}",
        explained, std::ranges::max(d.queries.unexplained), std::ranges::max(d.keys.unexplained));
    out += d.logits < 0 ? "\n" : fmt::format(", final logits {:.3g}\n", d.logits_unexplained);
  }
  return out + fault(d.queries, "head", tolerance) + fault(d.keys, "KV head", tolerance);
}

}  // namespace logitfield
