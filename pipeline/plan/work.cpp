#include "pipeline/plan/work.hpp"

#include <algorithm>

#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/cost.hpp"
#include "kernels/field/shares.hpp"
#include "pipeline/plan/shard.hpp"

namespace logitfield {
namespace {

constexpr std::uint64_t kBytesOfBF16 = 2;
constexpr auto kProfileBins = static_cast<std::int64_t>(kernels::kProfileBins);

/// Number of a layer's weights used per token; of the routed experts, only the chosen ones count.
double values_per_token(const io::ModelConfig& config, std::int64_t layer) {
  const Shard whole{0, 1, {0, config.num_heads}, {0, config.num_kv_heads}, {0, config.vocab_size}};
  const auto values = static_cast<double>(layer_values(config, layer, whole));
  if (!config.layers[static_cast<std::size_t>(layer)].routed) return values;
  const double matrices = config.gated ? 3 : 2;
  const double idle = static_cast<double>(config.routing->num_experts - config.routing->top_k);
  return values - idle * matrices * static_cast<double>(config.expert_size * config.hidden_size);
}

}  // namespace

double largest(const std::vector<Slice>& slices) {
  std::int64_t size = 0;
  for (const Slice& s : slices) size = std::max(size, s.size());
  return static_cast<double>(size);
}

LayerFlops layer_flops(const JobSizes& job, std::int64_t layer) {
  const io::ModelConfig& c = *job.config;
  const double length = static_cast<double>(job.length());
  const double widths = static_cast<double>(c.head_dim + c.value_dim), heads = static_cast<double>(c.num_heads);
  return {2 * length * values_per_token(c, layer), length * length * widths * heads};
}

double output_flops(const JobSizes& job) {
  const io::ModelConfig& c = *job.config;
  return job.has_loss() ? 2.0 * static_cast<double>(job.length() * c.hidden_size * c.vocab_size) : 0;
}

double forward_flops(const JobSizes& job) {
  double text = output_flops(job);
  for (std::int64_t l = 0; l < job.extents.num_layers; ++l) {
    const LayerFlops flops = layer_flops(job, l);
    text += flops.weights + flops.attention;
  }
  return static_cast<double>(job.num_texts) * text;
}

std::int64_t longest_attended(const std::vector<FieldPlan>& fields) {
  std::int64_t longest = 0;
  for (const FieldPlan& field : fields) {
    if (field.request.context <= kernels::kLongestAttention) longest = std::max(longest, field.request.context);
  }
  return longest;
}

double attended_apart(const JobSizes& job, std::int64_t longest, bool on_devices) {
  if (job.config && !on_devices) return 0;
  if (longest == 0) return 0;
  double pairs = 0;
  for (std::int64_t layer = job.measured_layers.begin; layer < job.measured_layers.end; ++layer) {
    pairs += static_cast<double>(job.visible_at(layer).pairs(longest));
  }
  return pairs / static_cast<double>(job.measured_layers.size() * kernels::Visible{}.pairs(longest));
}

double field_flops(const JobSizes& job, const std::vector<FieldPlan>& fields, bool on_devices) {
  // Causal logits are formed once, up to the longest context where attention is measured.
  const std::int64_t attended = longest_attended(fields);
  double per_head = attended_apart(job, attended, on_devices) * kernels::attention_flops(attended, job.head_dim);
  for (const FieldPlan& field : fields) per_head += field.flops;
  return per_head * static_cast<double>(job.extents.num_heads * job.measured_layers.size() * job.num_texts);
}

double head_null_flops(const JobSizes& job, const std::vector<FieldPlan>& fields, std::int64_t draws) {
  double per_head = 0;
  for (const std::int64_t context : job.contexts) {
    per_head += kernels::drawing_flops(context, job.head_dim);
    if (context <= kernels::kLongestAttention) {
      per_head += kernels::attention_flops(context, job.head_dim);
    }
  }
  for (const FieldPlan& field : fields) per_head += field.flops;
  return static_cast<double>(draws) * per_head *
         static_cast<double>(job.extents.num_heads * job.measured_layers.size() * job.num_texts);
}

std::uint64_t weight_bytes(const JobSizes& job) {
  if (job.is_capture()) return 0;
  if (job.weight_bytes > 0) return job.weight_bytes;
  const io::ModelConfig& c = *job.config;
  const Shard whole{0, 1, {0, c.num_heads}, {0, c.num_kv_heads}, {0, c.vocab_size}};
  std::int64_t values = (c.tied_embeddings ? 1 : 2) * c.vocab_size * c.embedding_size;
  for (std::int64_t l = 0; l < c.num_layers; ++l) values += layer_values(c, l, whole);
  return kBytesOfBF16 * static_cast<std::uint64_t>(values);
}

std::int64_t listed_numbers(const JobSizes& job, const FieldPlan& field) {
  const std::int64_t context = field.request.context;
  const std::int64_t values = field.request.route == kernels::Route::factored
                                  ? job.head_dim + 2
                                  : std::min<std::int64_t>(context, kernels::kKeptComponents);
  return values + 2 * std::min<std::int64_t>(context, kProfileBins);
}

std::uint64_t result_bytes(const JobSizes& job, const std::vector<FieldPlan>& fields, std::int64_t null_draws,
                           std::int64_t head_null_draws) {
  // Size of the page and tables apart from heads; with nulls, of their variables too.
  constexpr double kEmpty = 1.2e6, kEmptyHeadNull = 0.8e6;
  // Per head and field: entries of the journal with their names, a row of heads.csv, values in the page. Per layer and
  // field: distributions in summary.json.
  constexpr double kHead = 1400 + 950 + 450, kLayer = 15e3;
  constexpr double kScalars = 100, kHeadNull = 4400, kDraw = 300;
  double widest = 0, heads = 0;
  for (const FieldPlan& field : fields) {
    const auto numbers = static_cast<double>(listed_numbers(job, field));
    widest = std::max(widest, numbers);
    heads += kHead + kDouble * numbers;
    if (head_null_draws > 0) heads += kHeadNull + kDraw * static_cast<double>(head_null_draws);
  }
  const auto count = static_cast<double>(fields.size());
  // results.nc pads all lists to the longest.
  heads += count * kDouble * (kScalars + widest + 2 * kProfileBins);
  const auto layers = static_cast<double>(job.measured_layers.size());
  const double units = layers * static_cast<double>(job.num_texts);
  // The state of the next layer is written before the old state is removed.
  const double states =
      job.config ? 2 * kFloat * static_cast<double>(job.num_texts * job.length() * job.config->hidden_size) : 0;
  return static_cast<std::uint64_t>(kEmpty + (head_null_draws > 0 ? kEmptyHeadNull : 0) +
                                    units * static_cast<double>(job.extents.num_heads) * heads +
                                    count * ((layers + 1) * kLayer + kDraw * static_cast<double>(null_draws)) + states);
}

}  // namespace logitfield
