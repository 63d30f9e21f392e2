#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "io/capture/capture_writer.hpp"
#include "io/capture/vllm_hook.hpp"
#include "io/config/model_config.hpp"
#include "io/console.hpp"
#include "io/error.hpp"
#include "io/json.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/job/texts.hpp"
#include "pipeline/mpi/agreement.hpp"

namespace logitfield {
namespace {

/// Rows of a head that are in memory at a time.
constexpr std::int64_t kRows = 8192;

std::filesystem::path config_path(const Options& options) {
  return std::filesystem::is_directory(options.model) ? options.model / "config.json" : options.model;
}

/// Also says what to do where the model's type is not known, or not all of it.
io::ModelConfig known_config(const nlohmann::json& file, const std::string& path) {
  try {
    return io::model_config_from(file, path);
  } catch (const InputError& error) {
    throw InputError("{}; or leave out --model where the plugin's scale is right and nothing but causality hides keys",
                     error.what());
  }
}

/// The model's own configuration, if it is given. How its weights were quantised does not matter: Q and K are there.
std::optional<io::ModelConfig> read_config(const Options& options) {
  if (options.model.empty()) return std::nullopt;
  const std::filesystem::path path = config_path(options);
  nlohmann::json file = io::read_json(path);
  if (file.is_object()) {
    for (const char* key : {"quantization_config", "compression_config"}) file.erase(key);
  }
  io::ModelConfig config = known_config(file, path.string());
  if (std::ranges::any_of(config.layers, [](const io::LayerForm& layer) { return layer.query_scale != 1; })) {
    throw InputError(
        "{}: the layers have scales of their own, which vLLM does not compute; record the model with "
        "io/capture/capture_hf.py",
        path.string());
  }
  if (!config.names.sinks.empty()) {
    throw InputError(
        "{}: \"model_type\" is {}, whose heads have learned sinks that the recording does not hold; record the model "
        "with io/capture/capture_hf.py",
        path.string(), io::excerpt(nlohmann::json(config.model_type)));
  }
  return config;
}

std::optional<io::HeadShape> heads_of(const std::optional<io::ModelConfig>& config) {
  if (!config) return std::nullopt;
  return io::HeadShape{config->num_heads, config->num_kv_heads, config->head_dim};
}

/// What the run itself cannot tell.
void check_and_tell(const Options& options, const io::VllmHookRun& run, const std::optional<io::ModelConfig>& config) {
  if (!config) {
    io::tell(
        "no --model: {} layers are taken for all, {:g} (by the plugin) for the factor of q.k, and no windows, chunks, "
        "caps or ALiBi; give the model's config.json, which tells",
        run.num_layers(), run.told().scale);
    return;
  }
  if (config->hidden_size != run.told().hidden_size || config->num_heads != run.told().heads.num_heads) {
    throw InputError(
        "{}: tells of {} heads and a hidden size of {}, but {} of {} and {}; give the configuration of the model that "
        "was run",
        run.folder().string(), run.told().heads.num_heads, run.told().hidden_size, config_path(options).string(),
        config->num_heads, config->hidden_size);
  }
  if (config->num_layers != run.num_layers()) {
    throw InputError(
        "{}: holds {} layers, but {} has {}; record every layer (the plugin's \"important_heads\"), or give the "
        "configuration of the model that was run",
        run.folder().string(), run.num_layers(), config_path(options).string(), config->num_layers);
  }
  if (std::abs(run.told().scale / config->scale - 1) > 1e-6) {
    io::tell(
        "{}: the factor of q.k is {:g} by {}, {:g} by the plugin, which does not know all models; the former is taken",
        run.folder().string(), config->scale, config_path(options).string(), run.told().scale);
  }
}

std::string model_name(const Options& options) {
  if (options.model.empty()) return "unknown (vLLM)";
  const std::filesystem::path file = std::filesystem::absolute(config_path(options)).lexically_normal();
  return file.parent_path().filename().string();
}

io::CaptureInfo info_of(const Options& options, const io::VllmHookRun& run,
                        const std::optional<io::ModelConfig>& config, std::int64_t num_tokens) {
  io::CaptureInfo info{.model = model_name(options),
                       .num_layers = run.num_layers(),
                       .num_heads = run.heads().num_heads,
                       .num_kv_heads = run.heads().num_kv_heads,
                       .head_dim = run.heads().head_dim,
                       .num_tokens = num_tokens,
                       .scale = config ? config->scale : run.told().scale,
                       .source = fmt::format("vLLM-Hook, {}; converted by logitfield {}{}", run.dtype(),
                                             LOGITFIELD_VERSION, config ? "" : ", without the model's config.json"),
                       .alibi_slopes = {},
                       .logit_softcap = {}};
  if (!config) return info;
  info.alibi_slopes = config->alibi_slopes;
  info.logit_softcap = config->logit_softcap;
  const std::int64_t changes = config->rotation_changes_after();
  if (changes < num_tokens) info.rotation_changes_after = changes;
  const auto has_window = [](const io::LayerForm& layer) { return layer.window.has_value(); };
  if (std::ranges::any_of(config->layers, has_window)) {
    for (const io::LayerForm& layer : config->layers) info.windows.push_back(layer.window.value_or(0));
  }
  return info;
}

/// Hands all rows of a text to `write`, some at a time: read(entry, rows, target), write(first row of the text, rows).
template <class Read, class Write>
void copy_rows(const io::VllmHookRun& run, const std::vector<std::int64_t>& entries, Read&& read, Write&& write) {
  std::vector<float> buffer;
  std::int64_t begin = 0;
  for (const std::int64_t entry : entries) {
    for (std::int64_t row = 0; row < run.length(entry); row += kRows) {
      const io::Slice rows{row, std::min(row + kRows, run.length(entry))};
      buffer.resize(static_cast<std::size_t>(rows.size() * run.heads().head_dim));
      read(entry, rows, std::span(buffer));
      write(begin + row, std::span<const float>(buffer));
    }
    begin += run.length(entry);
  }
}

void write_capture(const io::VllmHookRun& run, const std::vector<std::int64_t>& entries, const io::TokenText& text,
                   const io::CaptureWriter& writer) {
  writer.create();
  for (std::int64_t layer = 0; layer < run.num_layers(); ++layer) {
    writer.create_layer(layer);
    for (std::int64_t head = 0; head < run.heads().num_heads; ++head) {
      copy_rows(
          run, entries, [&](auto entry, auto rows, auto out) { run.read_queries(layer, head, entry, rows, out); },
          [&](auto first, auto rows) { writer.write_queries(layer, head, first, rows); });
    }
    for (std::int64_t head = 0; head < run.heads().num_kv_heads; ++head) {
      copy_rows(
          run, entries, [&](auto entry, auto rows, auto out) { run.read_keys(layer, head, entry, rows, out); },
          [&](auto first, auto rows) { writer.write_keys(layer, head, first, rows); });
    }
    run.release(layer);
    writer.finish_layer(layer);
  }
  writer.write_tokens(text.tokens);
  writer.finish();
}

std::vector<io::RecordedText> lengths_of(const std::vector<io::TokenText>& texts) {
  std::vector<io::RecordedText> out;
  for (const io::TokenText& text : texts) {
    const auto same = std::ranges::find(out, text.name, &io::RecordedText::name);
    if (same != out.end()) throw InputError("--tokens: two texts have the name '{}'; rename a file", text.name);
    out.push_back({text.name, std::ssize(text.tokens)});
  }
  return out;
}

void convert_run(const Options& options) {
  const std::optional<io::ModelConfig> config = read_config(options);
  const io::VllmHookRun run(options.vllm_hook, heads_of(config));
  check_and_tell(options, run, config);
  const auto vocabulary = config ? config->vocab_size : std::numeric_limits<std::int32_t>::max();
  const std::vector<io::TokenText> texts = read_texts(options, vocabulary).texts;
  const auto entries = run.entries_of(lengths_of(texts));
  std::vector<io::CaptureWriter> writers;
  for (const io::TokenText& text : texts) {
    writers.emplace_back(options.out / text.name, info_of(options, run, config, std::ssize(text.tokens)));
  }
  for (const io::CaptureWriter& writer : writers) writer.check();  // check all before creating any
  for (std::size_t t = 0; t < texts.size(); ++t) {
    write_capture(run, entries[t], texts[t], writers[t]);
    io::print("{}: {} tokens in {} pass{}\n", (options.out / texts[t].name).string(), texts[t].tokens.size(),
              entries[t].size(), entries[t].size() == 1 ? "" : "es");
  }
}

}  // namespace

int convert(const Options& options, const mpi::Communicator& world) {
  mpi::agree(world, [&] {
    if (world.rank() != 0) return;
    const Activity converting("converting " + options.vllm_hook.string());
    convert_run(options);
  });
  return 0;
}

}  // namespace logitfield
