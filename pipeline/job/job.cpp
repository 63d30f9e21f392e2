#include "pipeline/job/job.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "io/error.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/job/logit_forms.hpp"
#include "pipeline/job/model_shapes.hpp"

namespace logitfield {
namespace {

constexpr std::int64_t kShortestDefaultContext = 64, kImaginedContext = 8192;

/// The longest possible context (of the shortest text, or of the model), and the reason for this limit.
struct Longest {
  std::int64_t tokens = 0;
  std::string because;
};

/// The length beyond which the model uses another rotation; 0 if it never changes.
std::int64_t rotation_changes_after(const Job& job) {
  return job.config ? job.config->rotation_changes_after() : job.capture().info().rotation_changes_after;
}

Longest longest_context(const Job& job) {
  if (job.is_capture()) {
    const std::int64_t tokens = job.capture().info().num_tokens;
    return {tokens, fmt::format("{} holds {} tokens", job.capture().folder().string(), tokens)};
  }
  Longest out{job.config->max_positions,
              fmt::format("{} has max_position_embeddings {}",
                          job.is_imagined() ? "the shape" : job.checkpoint().config_path().string(),
                          job.config->max_positions)};
  for (const io::TokenText& text : job.texts()) {
    const auto tokens = static_cast<std::int64_t>(text.tokens.size());
    if (tokens < out.tokens) out = {tokens, fmt::format("text '{}' has {} tokens", text.name, tokens)};
  }
  return out;
}

/// Doubles the context from the shortest to the longest. All contexts have the same rotation: they end at the length
/// where it changes, or start there for a capture that is longer.
std::vector<std::int64_t> default_contexts(const Job& job, std::int64_t longest) {
  const std::int64_t changes = rotation_changes_after(job);
  const std::int64_t least = job.is_capture() && longest > changes ? changes + 1 : 0;
  const std::int64_t most = job.config && changes > 0 ? std::min(longest, changes) : longest;
  std::vector<std::int64_t> out;
  for (std::int64_t c = kShortestDefaultContext; c <= most; c *= 2) {
    if (c >= least) out.push_back(c);
  }
  if (out.empty()) out.push_back(most);
  return out;
}

/// Checks that every context is a prefix of the longest, or of the capture.
void check_prefixes(const Job& job) {
  const std::int64_t changes = rotation_changes_after(job), shortest = job.contexts.front();
  const std::int64_t computed = job.is_capture() ? job.capture().info().num_tokens : job.length();
  if (shortest > changes || computed <= changes) return;
  if (job.is_capture()) {
    throw InputError(
        "{}: a context of {} tokens is not a prefix of this capture: the model uses other rotary factors for texts "
        "of more than {} tokens (LongRoPE); use longer --contexts, or a capture of at most {} tokens",
        job.capture().folder().string(), shortest, changes, changes);
  }
  throw InputError(
      "contexts of {} and of {} tokens cannot be measured in one run: the model uses other rotary factors for texts of "
      "more than {} tokens (LongRoPE); measure --contexts up to {} tokens and longer ones in separate runs",
      shortest, job.length(), changes, changes);
}

std::vector<std::int64_t> resolve_contexts(const Job& job, std::vector<std::int64_t> asked, const Longest& longest) {
  if (longest.tokens < 2) throw InputError("{}: at least 2 are needed", longest.because);
  if (asked.empty()) asked = default_contexts(job, longest.tokens);
  std::sort(asked.begin(), asked.end());
  asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  if (asked.back() > longest.tokens) {
    throw InputError("a context of {} tokens is too long: {}; use --contexts of at most {}", asked.back(),
                     longest.because, longest.tokens);
  }
  return asked;
}

Slice resolve_layers(const std::string& asked, std::int64_t num_layers) {
  if (asked.empty()) return {0, num_layers};
  const std::size_t colon = asked.find(':');
  // A missing bound means the first or last layer of the model.
  const auto bound = [](const std::string& text, std::int64_t otherwise) {
    std::int64_t value = otherwise;
    const char* const end = text.data() + text.size();
    if (text.empty()) return value;
    const auto [last, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && last == end ? value : -1;
  };
  Slice layers{bound(asked.substr(0, colon), 0), -1};
  layers.end =
      colon == std::string::npos ? std::min(layers.begin, num_layers) + 1 : bound(asked.substr(colon + 1), num_layers);
  if (asked != ":" && 0 <= layers.begin && layers.begin < layers.end && layers.end <= num_layers) return layers;
  throw InputError(
      "--layers {}: expected FIRST:END, FIRST:, :END or one layer, with 0 <= FIRST < END <= {}, the model's layers",
      asked, num_layers);
}

/// Makes names unique: files in different folders may have the same name.
void make_names_unique(std::vector<io::TokenText>& texts) {
  std::set<std::string> taken;
  for (io::TokenText& text : texts) {
    const std::string name = text.name;
    for (int copy = 2; !taken.insert(text.name).second; ++copy) text.name = fmt::format("{}-{}", name, copy);
  }
}

void take_config(const io::ModelConfig& config, bool strict, Job& job) {
  if (strict && !config.unknown_keys.empty()) {
    throw InputError("config.json: {}: unknown for model type {}; remove these keys, or leave out --strict-config",
                     fmt::join(config.unknown_keys, ", "), config.model_type);
  }
  job.config = &config;
  job.num_layers = config.num_layers;
  job.head_dim = config.head_dim;
  for (std::int64_t h = 0; h < config.num_heads; ++h) job.forms.push_back(logit_form(config, h));
  for (std::int64_t l = 0; l < config.num_layers; ++l) job.visible.push_back(visible_keys(config, l));
  job.extents = {config.num_layers, config.num_heads, config.num_kv_heads, config.vocab_size};
}

void open_checkpoint(const Options& options, Job& job) {
  {
    const Activity opening("opening " + options.model.string());
    job.input = std::make_unique<io::Checkpoint>(options.model);
  }
  const io::ModelConfig& config = job.checkpoint().config();
  take_config(config, options.strict_config, job);
  job.sinks = sinks_of(job.checkpoint());
  Texts read = read_texts(options, config.vocab_size);
  make_names_unique(read.texts);
  job.set_texts(std::move(read.texts));
  job.tokenization = std::move(read.tokenization);
  job.text_notices = std::move(read.notices);
  job.has_output = job.checkpoint().has_output();
  for (const io::StoredWeight* weight : job.checkpoint().weights()) job.weight_bytes += weight->num_bytes();
}

/// Makes up texts of the longest context; only their number matters.
void imagine(const Options& options, Job& job) {
  auto config = std::make_unique<const io::ModelConfig>(model_shape(options.model_shape));
  take_config(*config, options.strict_config, job);
  job.input = std::move(config);
  job.has_output = true;
  const std::int64_t length = options.contexts.empty() ? kImaginedContext : std::ranges::max(options.contexts);
  std::vector<io::TokenText> texts;
  for (std::int64_t t = 0; t < options.num_texts; ++t) {
    texts.push_back({fmt::format("text {}", t), std::vector<std::int32_t>(static_cast<std::size_t>(length))});
  }
  job.set_texts(std::move(texts));
}

void open_capture(const Options& options, Job& job) {
  // Values that are not finite do not stop a monitor, which still measures the other heads.
  const auto finite = options.command == Command::monitor ? io::Finite::not_required : io::Finite::required;
  const Activity opening("opening " + options.capture.string());
  job.input = std::make_unique<io::Capture>(options.capture, finite);
  const io::CaptureInfo& info = job.capture().info();
  job.set_texts({{(options.capture / "").lexically_normal().parent_path().filename().string(), {}}});
  job.num_layers = info.num_layers;
  job.head_dim = info.head_dim;
  for (std::int64_t h = 0; h < info.num_heads; ++h) {
    job.forms.push_back({.scale = info.scale,
                         .alibi_slope = info.alibi_slopes.empty() ? 0 : info.alibi_slopes[h],
                         .softcap = info.logit_softcap});
  }
  job.visible.resize(static_cast<std::size_t>(info.num_layers));
  for (std::size_t l = 0; l < info.windows.size(); ++l) job.visible[l].window = info.windows[l];
  for (std::size_t l = 0; l < info.chunks.size(); ++l) job.visible[l].chunk = info.chunks[l];
  job.sinks = info.sinks;
  job.extents = {info.num_layers, info.num_heads, info.num_kv_heads, 0};
}

}  // namespace

std::string Job::model_name() const {
  if (is_capture()) return capture().info().model;
  if (is_imagined()) return "imagined " + config->model_type;
  // Also works for "folder/".
  return (std::filesystem::absolute(checkpoint().path()) / "").lexically_normal().parent_path().filename().string();
}

std::vector<std::string> Job::notices() const {
  std::vector<std::string> out;
  if (config) out = is_imagined() ? config->notices() : checkpoint().notices();
  out.insert(out.end(), text_notices.begin(), text_notices.end());
  return out;
}

std::vector<kernels::LogitForm> JobSizes::forms_at(std::int64_t layer, Slice heads) const {
  std::vector<kernels::LogitForm> out(forms.begin() + heads.begin, forms.begin() + heads.end);
  for (std::size_t h = 0; h < out.size(); ++h) {
    out[h].visible = visible_at(layer);
    if (!sinks.empty()) out[h].sink = sinks[static_cast<std::size_t>(layer)][static_cast<std::size_t>(heads.begin) + h];
  }
  return out;
}

Job open_input(const Options& options) {
  Job job;
  if (!options.model.empty()) {
    open_checkpoint(options, job);
  } else if (!options.model_shape.empty()) {
    imagine(options, job);
  } else {
    open_capture(options, job);
  }
  return job;
}

Job open_job(const Options& options) {
  Job job = open_input(options);
  job.contexts = resolve_contexts(job, options.contexts, longest_context(job));
  if (options.command == Command::monitor) job.contexts = {job.contexts.back()};
  check_prefixes(job);
  job.scopes = options.scopes;
  job.measured_layers = resolve_layers(options.layers, job.num_layers);
  job.extents.num_layers = job.measured_layers.end;
  job.dump_captures = options.dump_captures;
  job.precision = options.precision;
  return job;
}

}  // namespace logitfield
