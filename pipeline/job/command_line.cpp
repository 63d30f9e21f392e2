#include "pipeline/job/command_line.hpp"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "io/error.hpp"
#include "pipeline/job/completion.hpp"
#include "pipeline/job/config_file.hpp"
#include "pipeline/job/misspelt.hpp"
#include "pipeline/job/value_range.hpp"

namespace logitfield {
namespace {

/// Gaussian draws that a monitor takes, since one of its alerts needs them.
constexpr std::int64_t kNullDrawsOfMonitor = 8;

void add_strict_config(CLI::App& command, Options& options) {
  command.add_flag("--strict-config", options.strict_config,
                   "refuse a config.json with any key that its model type does not know, harmless or not");
}

void add_input(CLI::App& command, Options& options) {
  auto* input = command.add_option_group("input", "what is measured: one of")->require_option(1);
  input->add_option("--model", options.model,
                    "Hugging Face checkpoint folder (config.json, safetensors), or a GGUF file");
  input->add_option("--capture", options.capture, "folder of recorded Q and K (capture.json)");
}

/// Options for the routes to spectra, and for their comparisons.
void add_routes(CLI::App& command, Options& options) {
  command
      .add_option("--spectrum", options.spectrum,
                  "krylov: leading components of the causal field, the rest estimated; dense: every spectrum whole, by "
                  "ScaLAPACK over all ranks; auto: the cheapest that is exact where that is affordable")
      ->check(CLI::IsMember({"auto", "krylov", "dense"}))
      ->capture_default_str();
  command.add_option("--components", options.components, "most components that the krylov route computes")
      ->check(between(2, 100000))
      ->capture_default_str();
  command
      .add_option("--rows", options.rows,
                  "of a capture's heads: whole: each head on one rank; sharded: its rows over all ranks; auto: planned")
      ->check(CLI::IsMember({"auto", "whole", "sharded"}))
      ->capture_default_str();
  command
      .add_option("--verify-dense", options.verify_dense,
                  "heads, drawn at random, whose fields are also decomposed densely, to check the other routes")
      ->check(between(0))
      ->capture_default_str();
  command.add_option("--null", options.null_draws, "Gaussian heads to average over, as what chance would give")
      ->check(between(0))
      ->capture_default_str();
  auto* own = command
                  .add_option("--head-null", options.head_null,
                              "heads to draw from every head, in each context, as what its own scale, mask and second "
                              "moments would give")
                  ->check(between(0))
                  ->capture_default_str();
  command
      .add_option(
          "--head-null-kind", options.head_null_kind,
          "gaussian: queries and keys with the head's own means and covariances; shuffled: its own, in other orders")
      ->check(CLI::IsMember({"gaussian", "shuffled"}))
      ->capture_default_str()
      ->needs(own);
  command.add_option("--seed", options.seed, "of all that is drawn at random")
      ->check(between(0))
      ->capture_default_str();
}

/// Options for a model's texts.
void add_texts(CLI::App& command, Options& options) {
  command.add_option("--tokens", options.tokens,
                     "token files, one text each (with --model): .npy, .json (a list, or input_ids), or raw .bin");
  command.add_option("--token-dtype", options.token_dtype, "how .bin files store their token ids")
      ->check(CLI::IsMember({"uint8", "uint16", "uint32", "int8", "int16", "int32", "int64"}));
  command.add_flag("--skip-short", options.skip_short,
                   "leave out texts that are shorter than the longest of --contexts, instead of refusing them");
  auto* text =
      command.add_option("--text", options.text,
                         "text files for the model's own tokenizer, .txt (one text), .jsonl or .json (with --model)");
  command
      .add_option("--bos", options.bos,
                  "put the model's first token (BOS) before each --text: yes, no, or auto: as its tokenizer does")
      ->check(CLI::IsMember({"auto", "yes", "no"}))
      ->capture_default_str()
      ->needs(text);
  command.add_option("--start", options.start, "tokens to leave out at the beginning of each --text")
      ->check(between(0))
      ->capture_default_str()
      ->needs(text);
  command.add_option("--num-tokens", options.num_tokens, "most tokens to keep of each --text, BOS included [all]")
      ->check(between(2, 1U << 31))
      ->needs(text);
}

/// Options for the measured part of the input, and for the measurement.
void add_measurement(CLI::App& command, Options& options) {
  add_texts(command, options);
  command
      .add_option("--contexts", options.contexts,
                  "context lengths in tokens, such as 64,256,1024 "
                  "[powers of two from 64 to the longest that fits]")
      ->delimiter(',');
  command.add_option("--scopes", options.scopes, "fields to measure: full, causal, causal-mean, causal-unwindowed")
      ->delimiter(',')
      ->check(CLI::IsMember({"full", "causal", "causal-mean", "causal-unwindowed"}))
      ->capture_default_str();
  add_routes(command, options);
  command
      .add_option("--layers", options.layers,
                  "layers to measure: FIRST:END (END not included), FIRST:, :END or one [all]")
      ->type_name("LAYERS");
  command.add_option("--grid", options.grid, "STAGESxSHARDS: how ranks split layers and heads [planned]")
      ->type_name("GRID");
  command
      .add_option("--weights", options.weights,
                  "stream: one layer in memory at a time; resident: all of a stage's layers; auto: planned")
      ->check(CLI::IsMember({"auto", "stream", "resident"}))
      ->capture_default_str();
  command.add_option("--backend", options.backend, "where to compute: auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command
      .add_option(
          "--precision", options.precision,
          "of the forward pass's matrix products, summed in float32: float32, bf16 (GPUs, and CPUs with AVX512_BF16 or "
          "AMX) or tf32 (GPUs)")
      ->check(CLI::IsMember({"float32", "tf32", "bf16"}))
      ->capture_default_str();
  add_strict_config(command, options);
  command.add_option(kConfigOption, "file of options, NAME = VALUE a line (TOML); the command line goes first")
      ->type_name("TEXT");
}

void add_analysis(CLI::App& command, Options& options) {
  add_input(command, options);
  add_measurement(command, options);
}

/// Options for the alerts of `monitor`.
void add_thresholds(CLI::App& command, Thresholds& t) {
  const auto add = [&](const char* name, auto& value, double least, double most, const char* what) {
    command.add_option(name, value, what)->check(between(least, most))->capture_default_str();
  };
  add("--alert-band", t.band, 1.0, 1e6,
      "half the width of a band of history or of the other heads, in robust sd of changes");
  add("--alert-window", t.window, 4, 1 << 20, "checkpoints of a head's history");
  add("--alert-history", t.history, 4, 1 << 20, "checkpoints before a head is judged");
  add("--alert-confirm", t.confirm, 1, 100, "checkpoints outside a band, of the last 2 N - 1");
  add("--alert-collapse", t.collapse, 1e-6, 1.0, "entropy, ranks and fields collapse below this share");
  add("--alert-chance", t.chance, 1.0, 1e6, "times more or less than Gaussian heads (--null)");
  add("--alert-max-logit", t.max_logit, 0.0, 1e30, "largest logit");
}

void add_monitor(CLI::App& command, Options& options) {
  command
      .add_option("--checkpoints", options.checkpoints,
                  "checkpoints or captures of one model with their steps in their names, or folders of them")
      ->required();
  command
      .add_option("--step-pattern", options.step_pattern,
                  "regular expression whose first group is the step in a checkpoint's name, such as 'it(\\d+)_'")
      ->type_name("REGEX");
  command.add_option("--out", options.out, "the monitor's folder: made, or gone on with")->required();
  command.add_flag("--follow", options.follow, "look for new checkpoints until a signal comes");
  command.add_option("--interval", options.interval, "with --follow: seconds between two looks")
      ->check(between(0.1, 86400))
      ->capture_default_str();
  add_measurement(command, options);
  command.get_option("--null")->default_str(std::to_string(kNullDrawsOfMonitor));
  add_thresholds(command, options.thresholds);
}

void add_plots(CLI::App& command, Options& options) {
  command.add_option("--plots", options.plots, "folder to draw figures in (SVG), made if it is not there");
}

/// Options for predictions, also for other machines and models.
void add_imagination(CLI::App& plan, Options& options) {
  auto* input = plan.get_option_group("input");
  input->add_option("--model-shape", options.model_shape,
                    "8B, 70B, 405B, 671B or a config.json: a model that is not here");
  input->require_option(0, 1);
  plan.add_option("--num-texts", options.num_texts, "texts of the longest context, with --model-shape")
      ->check(between(1, 1 << 20))
      ->capture_default_str();
  plan.add_flag("--calibrate", options.calibrate, "measure this machine's rates with the ranks at hand, and keep them");
  plan.add_option("--rates", options.rates,
                  "file of rates to predict from, or to keep [~/.config/logitfield/rates.json]");
  plan.add_option("--nodes", options.nodes, "plan for so many nodes instead of the ranks at hand")
      ->check(between(1, 1 << 20));
  plan.add_option("--ranks-per-node,--gpus-per-node", options.ranks_per_node,
                  "with --nodes: ranks (one per GPU) on each")
      ->check(between(1, 1 << 12));
  plan.add_option("--node-memory", options.node_memory,
                  "with --nodes: memory of each, such as 512GiB [of the rates, or this host's]")
      ->transform(CLI::AsSizeValue(false));
}

/// Options of `validate` that compare a model with a capture.
void add_comparison(CLI::App& command, Options& options) {
  command.add_option(
      "--against", options.against,
      "capture of the same model (by io/capture/capture_hf.py): run its tokens through --model, compare Q, K and "
      "final logits");
  command.add_option("--tolerance", options.tolerance, "largest relative difference that --against lets pass")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--grid", options.grid, "STAGESxSHARDS: how ranks split layers and heads [planned]")
      ->type_name("GRID");
}

/// The option that stores a shell's script in `message` and ends the parsing.
void add_completion(CLI::App& app, std::string& message) {
  app.add_option_function<std::string>(
         "--completion",
         [&](const std::string& shell) {
           message = completion_script(app, shell);
           throw CLI::Success();
         },
         "print a script that completes commands and options in a shell")
      ->check(CLI::IsMember({"bash", "zsh"}));
}

/// Whether `path` is the folder or lies in it.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  const auto inner = std::filesystem::absolute(path).lexically_normal() / "";
  const auto outer = std::filesystem::absolute(folder).lexically_normal() / "";
  return inner.lexically_normal().string().starts_with(outer.lexically_normal().string());
}

}  // namespace

void check_texts(const Options& options) {
  if (!options.model.empty() && options.tokens.empty() && options.text.empty()) {
    throw InputError("{} needs --text FILE... (text files) or --tokens FILE... (token ids in .npy or .json files)",
                     options.checkpoints.empty() ? "--model" : options.model.string());
  }
  if (!options.capture.empty() && !(options.tokens.empty() && options.text.empty())) {
    throw InputError("{} goes with {}; a capture already holds its text's Q and K",
                     options.text.empty() ? "--tokens" : "--text",
                     options.checkpoints.empty() ? "--model" : "checkpoints of a model");
  }
}

namespace {

/// Checks that CLI11 cannot express.
void check(const Options& options) {
  if (options.command == Command::monitor && (options.contexts.size() > 1 || options.scopes.size() > 1)) {
    throw InputError("monitor follows heads in one context and one scope; give one to --contexts and to --scopes");
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
  if (options.node_memory > 0 && options.nodes == 0) throw InputError("--node-memory goes with --nodes");
  if ((options.nodes > 0) != (options.ranks_per_node > 0)) {
    throw InputError("--nodes and --ranks-per-node (or --gpus-per-node) go together");
  }
  if (runs) check_texts(options);
  if (!options.against.empty() && options.model.empty()) {
    throw InputError("--against goes with --model: the model that the capture is of");
  }
  if (!options.dump_captures.empty() && options.model.empty()) {
    throw InputError("--dump-captures goes with --model; a capture is there already");
  }
  if (!options.dump_captures.empty() && lies_in(options.dump_captures, options.out)) {
    throw InputError("--dump-captures {} lies in the run folder --out {}; give a folder of its own",
                     options.dump_captures.string(), options.out.string());
  }
  if (options.rows == "sharded" && options.capture.empty()) {
    throw InputError("--rows sharded goes with --capture; a model's heads are whole on the rank that computes them");
  }
  if (std::set<std::string>(options.scopes.begin(), options.scopes.end()).size() < options.scopes.size()) {
    throw InputError("--scopes {}: a scope is named twice", fmt::join(options.scopes, ","));
  }
  for (const std::int64_t context : options.contexts) {
    if (context < 2) throw InputError("--contexts {}: a context needs at least 2 tokens", context);
  }
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv, std::string& message) {
  Options options;
  CLI::App app(
      "logitfield measures the energy field of softmax attention (the row-centred logits) for every layer\n"
      "and head of a language model. Start it alone, or under mpirun or srun to use several cores or nodes.",
      "logitfield");
  app.set_help_all_flag("--help-all", "print the help of all commands");
  app.set_version_flag("--version", std::string("logitfield ") + LOGITFIELD_VERSION);
  add_completion(app, message);
  app.require_subcommand(1);

  auto* analyze = app.add_subcommand("analyze", "measure every head and write a run folder");
  add_analysis(*analyze, options);
  analyze->add_option("--out", options.out, "run folder to create")->required();
  analyze->add_flag("--resume", options.resume,
                    "go on with the run in --out, on any number of ranks; start it if there is none");
  analyze->add_option("--dump-captures", options.dump_captures,
                      "folder to write the model's Q and K to, one capture a text (with --model)");
  add_plots(*analyze, options);
  auto* monitor = app.add_subcommand("monitor", "follow every head over the checkpoints of a training run; alert");
  add_monitor(*monitor, options);
  auto* plan = app.add_subcommand("plan", "print what analyze would do, need and take; run nothing");
  add_analysis(*plan, options);
  add_imagination(*plan, options);
  auto* report =
      app.add_subcommand("report", "rebuild tables, results.nc, summary.json and pages from journals; draw figures");
  report->add_option("RUN", options.run, "run folder, or a monitor's folder")->required();
  add_plots(*report, options);
  auto* compare = app.add_subcommand("compare", "hold several runs side by side");
  compare->add_option("RUN", options.runs, "run folders")->required();
  compare->add_option("--out", options.out, "folder to write tables and pictures to; made if it is not there");
  compare->add_flag("--scaling", options.scaling,
                    "compare their times: speed-up, efficiency, imbalance, where the time goes");
  auto* validate = app.add_subcommand("validate", "check a checkpoint, a capture or a run; change nothing");
  add_input(*validate, options);
  add_strict_config(*validate, options);
  validate->get_option_group("input")->add_option("RUN", options.run, "run folder");
  add_comparison(*validate, options);

  std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string config = take_config(arguments);
  const std::string name = arguments.empty() ? "" : arguments.front();
  const auto commands = app.get_subcommands([&](const CLI::App* c) { return c->get_name() == name; });
  if (commands.empty() && !name.starts_with('-')) {
    throw InputError(
        "{}; the commands are analyze, compare, monitor, plan, report and validate (see logitfield --help)",
        name.empty() ? "no command is given"
                     : "'" + name + "' is no command" + did_you_mean(name, names_of_commands(app)));
  }
  if (!config.empty() && !commands.empty()) add_config(*commands.front(), config, arguments);
  // CLI11 takes it for the name of an option group, finds none, and may never end.
  if (std::ranges::find(arguments, "") != arguments.end()) {
    throw InputError("an argument or a value of the config file is empty; leave it out");
  }
  std::reverse(arguments.begin(), arguments.end());  // the order that CLI11 expects
  try {
    app.parse(arguments);
  } catch (const CLI::Success& done) {  // --help, --version and --completion
    if (!message.empty()) return std::nullopt;
    std::ostringstream text;
    app.exit(done, text, text);
    message = text.str();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (!commands.empty()) check_option_names(*commands.front(), {argv + 1, argv + argc});
    throw InputError("{} (see logitfield --help)", error.what());
  }
  options.command = analyze->parsed()   ? Command::analyze
                    : compare->parsed() ? Command::compare
                    : monitor->parsed() ? Command::monitor
                    : plan->parsed()    ? Command::plan
                    : report->parsed()  ? Command::report
                                        : Command::validate;
  if (monitor->parsed() && monitor->count("--null") == 0) options.null_draws = kNullDrawsOfMonitor;
  check(options);
  return options;
}

}  // namespace logitfield
