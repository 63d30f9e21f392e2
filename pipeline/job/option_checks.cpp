#include "pipeline/job/option_checks.hpp"

#include <algorithm>

#include "io/error.hpp"

namespace logitfield {
namespace {

/// Whether `path` is the folder or lies in it.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  const auto inner = std::filesystem::absolute(path).lexically_normal() / "";
  const auto outer = std::filesystem::absolute(folder).lexically_normal() / "";
  return inner.lexically_normal().string().starts_with(outer.lexically_normal().string());
}

}  // namespace

void check_texts(const Options& options) {
  if (!options.model.empty() && options.tokens.empty() && options.text.empty()) {
    throw InputError(
        "{} needs --text FILE... (text files) or --tokens FILE... (token ids in .npy, .json or .bin files)",
        options.checkpoints.empty() ? "--model" : options.model.string());
  }
  if (!options.capture.empty() && !(options.tokens.empty() && options.text.empty())) {
    throw InputError("{} needs {}; a capture already holds its text's Q and K",
                     options.text.empty() ? "--tokens" : "--text",
                     options.checkpoints.empty() ? "--model" : "checkpoints of a model");
  }
}

void check_options(const Options& options) {
  if (options.command == Command::monitor && (options.contexts.size() > 1 || options.scopes.size() > 1)) {
    throw InputError("monitor follows heads in one context and one scope; give only one to --contexts and to --scopes");
  }
  if (options.thresholds.window < options.thresholds.history) {
    throw InputError("--alert-window {} is shorter than --alert-history {}", options.thresholds.window,
                     options.thresholds.history);
  }
  const bool runs = options.command == Command::analyze || options.command == Command::plan;
  if (options.command == Command::plan && !options.calibrate && options.model.empty() && options.capture.empty() &&
      options.model_shape.empty()) {
    throw InputError("plan needs --model, --capture or --model-shape, or --calibrate");
  }
  if (options.node_memory > 0 && options.nodes == 0) throw InputError("--node-memory needs --nodes");
  if ((options.nodes > 0) != (options.ranks_per_node > 0)) {
    throw InputError("--nodes and --ranks-per-node (or --gpus-per-node) need each other");
  }
  if (runs) check_texts(options);
  if (!options.against.empty() && options.model.empty()) {
    throw InputError("--against needs --model: the model to compare the capture with");
  }
  if (!options.dump_captures.empty() && options.model.empty()) {
    throw InputError("--dump-captures needs --model; with --capture, the capture exists already");
  }
  if (!options.dump_captures.empty() && lies_in(options.dump_captures, options.out)) {
    throw InputError("--dump-captures {} lies in the run folder --out {}; choose another folder",
                     options.dump_captures.string(), options.out.string());
  }
  if (options.rows == RowsChoice::sharded && options.capture.empty()) {
    throw InputError("--rows sharded needs --capture; with --model, each head is on the rank that computes it");
  }
  for (const kernels::Scope scope : options.scopes) {
    if (std::ranges::count(options.scopes, scope) > 1) {
      throw InputError("--scopes: {} is named twice", kernels::scope_name(scope));
    }
  }
  for (const std::int64_t context : options.contexts) {
    if (context < 2) throw InputError("--contexts {}: a context needs at least 2 tokens", context);
  }
}

}  // namespace logitfield
