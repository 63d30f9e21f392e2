#include "pipeline/options.hpp"

#include <CLI/CLI.hpp>

#include "io/error.hpp"

namespace logitfield {
namespace {

void add_input(CLI::App& command, Options& options) {
  auto* input = command.add_option_group("input", "what is measured: one of")->require_option(1);
  input->add_option("--model", options.model, "Hugging Face checkpoint folder (config.json, safetensors)");
  input->add_option("--capture", options.capture, "folder of recorded Q and K (capture.json)");
}

void add_analysis(CLI::App& command, Options& options) {
  add_input(command, options);
  command.add_option("--tokens", options.tokens, "token files, .npy or .json, one text each (with --model)");
  command
      .add_option("--contexts", options.contexts,
                  "context lengths in tokens, such as 64,256,1024 "
                  "[powers of two from 64 to the longest that fits]")
      ->delimiter(',');
  command.add_option("--scopes", options.scopes, "fields to measure: full")
      ->delimiter(',')
      ->check(CLI::IsMember({"full"}))
      ->capture_default_str();
  command.add_option("--layers", options.layers, "layers to measure, FIRST:END (END not included) [all]");
  command.add_option("--grid", options.grid, "STAGESxSHARDS: how ranks split layers and heads [planned]");
  command
      .add_option("--weights", options.weights,
                  "stream: one layer in memory at a time; resident: all of a stage's layers; auto: planned")
      ->check(CLI::IsMember({"auto", "stream", "resident"}))
      ->capture_default_str();
  command.add_option("--backend", options.backend, "where to compute: auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command.set_config("--config", "", "read options from a TOML or INI file; unknown keys are refused");
  command.allow_config_extras(CLI::config_extras_mode::error);
}

/// What CLI11 cannot express.
void check(const Options& options) {
  const bool runs = options.command == Command::analyze || options.command == Command::plan;
  if (runs && !options.model.empty() && options.tokens.empty()) {
    throw InputError("--model needs --tokens FILE...: the texts, as token ids in .npy or .json files");
  }
  if (runs && !options.capture.empty() && !options.tokens.empty()) {
    throw InputError("--tokens goes with --model; a capture already holds its text's Q and K");
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
  app.set_version_flag("--version", std::string("logitfield ") + LOGITFIELD_VERSION);
  app.require_subcommand(1);

  auto* analyze = app.add_subcommand("analyze", "measure every head and write a run folder");
  add_analysis(*analyze, options);
  analyze->add_option("--out", options.out, "run folder to create")->required();
  auto* plan = app.add_subcommand("plan", "print what analyze would do and need; run nothing");
  add_analysis(*plan, options);
  auto* report = app.add_subcommand("report", "rebuild heads.csv, results.nc and summary.json from a run's journal");
  report->add_option("RUN", options.run, "run folder")->required();
  auto* validate = app.add_subcommand("validate", "check a checkpoint, a capture or a run; change nothing");
  add_input(*validate, options);
  validate->get_option_group("input")->add_option("RUN", options.run, "run folder");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help and --version
    std::ostringstream text;
    app.exit(done, text, text);
    message = text.str();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw InputError("{} (see logitfield --help)", error.what());
  }
  options.command = analyze->parsed()  ? Command::analyze
                    : plan->parsed()   ? Command::plan
                    : report->parsed() ? Command::report
                                       : Command::validate;
  check(options);
  return options;
}

}  // namespace logitfield
