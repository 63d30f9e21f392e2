#include "pipeline/job/command_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "pipeline/job/choices.hpp"
#include "pipeline/job/config_file.hpp"
#include "pipeline/job/value_range.hpp"

namespace logitfield {
namespace {

const Words<kernels::Scope> kScopes{{"full", kernels::Scope::full},
                                    {"causal", kernels::Scope::causal},
                                    {"causal-mean", kernels::Scope::causal_mean},
                                    {"causal-unwindowed", kernels::Scope::causal_unwindowed}};

void add_strict_config(CLI::App& command, Options& options) {
  command.add_flag("--strict-config", options.strict_config,
                   "refuse a config.json with any key unknown for its model type, even a harmless one");
}

void add_input(CLI::App& command, Options& options) {
  auto* input = command.add_option_group("input", "input of the command")->require_option(1);
  input->add_option("--model", options.model,
                    "Hugging Face checkpoint folder (config.json, safetensors), or a GGUF file");
  input->add_option("--capture", options.capture, "folder of recorded Q and K (capture.json)");
}

/// Adds the options that choose routes to spectra and the checks and nulls to compare them with.
void add_routes(CLI::App& command, Options& options) {
  add_choice<SpectrumChoice>(
      command, "--spectrum", options.spectrum,
      {{"auto", SpectrumChoice::automatic}, {"krylov", SpectrumChoice::krylov}, {"dense", SpectrumChoice::dense}},
      "krylov: leading components of causal fields, and integrals over the rest; dense: all components, by ScaLAPACK "
      "over the ranks of a stage (captures: all ranks); auto: an exact route where affordable, else the cheapest");
  command.add_option("--components", options.components, "largest number of components that the krylov route computes")
      ->check(between(2, 100000))
      ->capture_default_str();
  add_choice<RowsChoice>(
      command, "--rows", options.rows,
      {{"auto", RowsChoice::automatic}, {"whole", RowsChoice::whole}, {"sharded", RowsChoice::sharded}},
      "with --capture: whole: each head on one rank; sharded: the rows of a head over all ranks; auto: planned");
  command
      .add_option("--verify-dense", options.verify_dense,
                  "number of random heads to decompose densely as well, to check the other routes")
      ->check(between(0))
      ->capture_default_str();
  command
      .add_option("--null", options.null_draws,
                  "number of heads with random Gaussian Q and K to compare all heads with (the Gaussian null)")
      ->check(between(0))
      ->capture_default_str();
  auto* own = command
                  .add_option("--head-null", options.head_null.draws,
                              "number of random heads to draw from every head in each context; they keep its scale, "
                              "mask and second moments")
                  ->check(between(0))
                  ->capture_default_str();
  add_choice<bool>(
      command, "--head-null-kind", options.head_null.shuffled, {{"gaussian", false}, {"shuffled", true}},
      "gaussian: queries and keys with the head's means and covariances; shuffled: its own ones in random order")
      ->needs(own);
  command.add_option("--seed", options.seed, "seed of all random draws")->check(between(0))->capture_default_str();
}

/// Adds the options for texts that go through the model's own tokenizer.
void add_tokenised(CLI::App& command, Options& options) {
  auto* text =
      command.add_option("--text", options.text,
                         "text files for the model's own tokenizer, .txt (one text), .jsonl or .json, also .gz or .zst "
                         "(with --model)");
  add_choice<BosChoice>(command, "--bos", options.bos,
                        {{"auto", BosChoice::automatic}, {"yes", BosChoice::yes}, {"no", BosChoice::no}},
                        "put the BOS token before each --text: yes, no, or auto (as the model's tokenizer does)")
      ->needs(text);
  command.add_option("--start", options.start, "tokens to leave out at the beginning of each --text")
      ->check(between(0))
      ->capture_default_str()
      ->needs(text);
  command
      .add_option("--num-tokens", options.num_tokens,
                  "largest number of tokens to keep of each --text, BOS included [all]")
      ->check(between(2, 1U << 31))
      ->needs(text);
}

/// Adds the options for texts as token ids. Returns the option of the files.
CLI::Option* add_token_files(CLI::App& command, Options& options, const std::string& what) {
  auto* files =
      command.add_option("--tokens", options.tokens, what + ": .npy, .json (a list, or input_ids), or raw .bin");
  command.add_option("--token-dtype", options.token_dtype, "type of the token ids in .bin files")
      ->check(CLI::IsMember({"uint8", "uint16", "uint32", "int8", "int16", "int32", "int64"}));
  return files;
}

/// Adds the options for a model's texts.
void add_texts(CLI::App& command, Options& options) {
  add_token_files(command, options, "token files, one text each (with --model)");
  command.add_flag("--skip-short", options.skip_short,
                   "skip texts shorter than the longest of --contexts, instead of refusing them");
  add_tokenised(command, options);
}

/// Adds the options that choose the measured part of the input and the way to measure it.
void add_measurement(CLI::App& command, Options& options) {
  add_texts(command, options);
  command
      .add_option("--contexts", options.contexts,
                  "context lengths in tokens, such as 64,256,1024 "
                  "[powers of two from 64 to the longest that fits]")
      ->delimiter(',');
  command
      .add_option_function<std::vector<std::string>>(
          "--scopes",
          [&options](const std::vector<std::string>& names) {
            options.scopes.clear();
            for (const std::string& name : names) options.scopes.push_back(value_of(kScopes, name));
          },
          "which keys a row's mean covers; full: all; causal: those that the mask shows, and others become 0; "
          "causal-mean: those up to the query, and others are kept; causal-unwindowed: causal without windows")
      ->delimiter(',')
      ->check(CLI::IsMember(names_of(kScopes)))
      ->default_str(kScopes.front().first);
  add_routes(command, options);
  command
      .add_option("--layers", options.layers,
                  "layers to measure: FIRST:END (END not included), FIRST:, :END or one [all]")
      ->type_name("LAYERS");
  command.add_option("--grid", options.grid, "STAGESxSHARDS: how ranks split layers and heads [planned]")
      ->type_name("GRID");
  add_choice<WeightsChoice>(
      command, "--weights", options.weights,
      {{"auto", WeightsChoice::automatic}, {"stream", WeightsChoice::stream}, {"resident", WeightsChoice::resident}},
      "stream: keep one layer in memory at a time; resident: keep all of a stage's layers; auto: planned");
  add_choice<kernels::BackendKind>(command, "--backend", options.backend,
                                   {{"auto", kernels::BackendKind::automatic},
                                    {"cpu", kernels::BackendKind::cpu},
                                    {"cuda", kernels::BackendKind::cuda}},
                                   "where to compute: auto, cpu or cuda");
  add_choice<kernels::Precision>(
      command, "--precision", options.precision,
      {{"float32", kernels::Precision::float32},
       {"tf32", kernels::Precision::tf32},
       {"bf16", kernels::Precision::bf16}},
      "operand type of the forward pass's matrix products (sums are float32): float32, bf16 (GPUs, and CPUs with "
      "AVX512_BF16 or AMX) or tf32 (GPUs)");
  add_strict_config(command, options);
  command
      .add_option(kConfigOption, "file of options (TOML): one NAME = VALUE per line; options on the command line win")
      ->type_name("TEXT");
}

void add_analysis(CLI::App& command, Options& options) {
  add_input(command, options);
  add_measurement(command, options);
}

/// Adds the options for the alerts of `monitor`.
void add_thresholds(CLI::App& command, Thresholds& t) {
  const auto add = [&](const char* name, auto& value, double least, double most, const char* what) {
    command.add_option(name, value, what)->check(between(least, most))->capture_default_str();
  };
  add("--alert-band", t.band, 1.0, 1e6,
      "half-width of a band (own history, other heads), in robust standard deviations of the logarithm");
  add("--alert-window", t.window, 4, 1 << 20, "number of latest checkpoints that a head's band follows");
  add("--alert-history", t.history, 4, 1 << 20,
      "number of checkpoints, before the latest --alert-confirm, that a head needs to be judged");
  add("--alert-confirm", t.confirm, 1, 100,
      "number N of checkpoints outside a band, among the last 2 N - 1, that raise an alert");
  add("--alert-collapse", t.collapse, 1e-6, 1.0,
      "alert when entropy, rank or field falls below this share of its earlier value");
  add("--alert-chance", t.chance, 1.0, 1e6, "alert beyond this ratio to Gaussian heads (--null), in either direction");
  add("--alert-max-logit", t.max_logit, 0.0, 1e30, "alert when the largest logit exceeds this");
}

void add_monitor(CLI::App& command, Options& options) {
  command
      .add_option("--checkpoints", options.checkpoints,
                  "checkpoints or captures of one model, named by training step, or folders of them")
      ->required();
  command
      .add_option("--step-pattern", options.step_pattern,
                  "regular expression whose first group is the step in a checkpoint's name, such as 'it(\\d+)_'")
      ->type_name("REGEX");
  command.add_option("--out", options.out, "the monitor's folder: created, or resumed if it exists")->required();
  command.add_flag("--follow", options.follow, "keep looking for new checkpoints until stopped by a signal");
  command.add_option("--interval", options.interval, "with --follow: seconds between two searches")
      ->check(between(0.1, 86400))
      ->capture_default_str();
  add_measurement(command, options);
  command.get_option("--null")->default_str(std::to_string(kNullDrawsOfMonitor));
  add_thresholds(command, options.thresholds);
}

void add_plots(CLI::App& command, Options& options) {
  command.add_option("--plots", options.plots, "folder to write figures to (SVG); created if missing");
}

/// Adds the options for predictions, also for other machines and models.
void add_imagination(CLI::App& plan, Options& options) {
  auto* input = plan.get_option_group("input");
  input->add_option("--model-shape", options.model_shape,
                    "plan for a model without its weights: 8B, 70B, 405B, 671B or a config.json");
  input->require_option(0, 1);
  plan.add_option("--num-texts", options.num_texts,
                  "with --model-shape: number of texts, each as long as the longest context")
      ->check(between(1, 1 << 20))
      ->capture_default_str();
  plan.add_flag("--calibrate", options.calibrate,
                "measure this machine's rates with the ranks of this job, and save them");
  plan.add_option("--rates", options.rates, "file to read or save rates [~/.config/logitfield/rates.json]");
  plan.add_option("--nodes", options.nodes, "plan for this number of nodes instead of the ranks of this job")
      ->check(between(1, 1 << 20));
  plan.add_option("--ranks-per-node,--gpus-per-node", options.ranks_per_node,
                  "with --nodes: ranks per node (one per GPU)")
      ->check(between(1, 1 << 12));
  plan.add_option("--node-memory", options.node_memory,
                  "with --nodes: memory per node, such as 512GiB [from the rates, or this host's]")
      ->transform(size_in_bytes());
}

/// Adds the options of `convert`.
void add_conversion(CLI::App& command, Options& options) {
  command
      .add_option("--vllm-hook", options.vllm_hook,
                  "folder of one run of the vLLM plugin vLLM-Hook (tp_rank_0/qk.json and qk.safetensors)")
      ->required();
  add_token_files(command, options, "the token ids that vLLM ran, a file for each prompt")->required();
  command.add_option(
      "--model", options.model,
      "the model's folder or config.json: sizes, scale, windows, caps and ALiBi [as the plugin says, none]");
  command.add_option("--out", options.out, "folder to write captures to, one a text")->required();
}

/// Adds the options of `validate` that compare a model with a capture.
void add_comparison(CLI::App& command, Options& options) {
  command.add_option(
      "--against", options.against,
      "capture of the same model (by io/capture/capture_hf.py): run its tokens through --model and compare Q, K and "
      "the final logits");
  command.add_option("--tolerance", options.tolerance, "largest relative difference that --against accepts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--grid", options.grid, "STAGESxSHARDS: how ranks split layers and heads [planned]")
      ->type_name("GRID");
}

}  // namespace

void add_commands(CLI::App& app, Options& options) {
  auto* analyze = app.add_subcommand("analyze", "measure every head and write a run folder");
  add_analysis(*analyze, options);
  analyze->add_option("--out", options.out, "run folder to create")->required();
  analyze->add_flag("--resume", options.resume,
                    "continue the run in --out, on any number of ranks; start it if there is none");
  analyze->add_option("--dump-captures", options.dump_captures,
                      "folder to write the model's Q and K to, one capture per text (with --model)");
  add_plots(*analyze, options);
  auto* monitor =
      app.add_subcommand("monitor", "follow every head over the checkpoints of a training run and raise alerts");
  add_monitor(*monitor, options);
  auto* plan = app.add_subcommand("plan", "print what analyze would do, and the memory and time it needs; run nothing");
  add_analysis(*plan, options);
  add_imagination(*plan, options);
  auto* report =
      app.add_subcommand("report", "rebuild tables, results.nc, summary.json and pages from journals; draw figures");
  report->add_option("RUN", options.run, "run folder, or a monitor's folder")->required();
  add_plots(*report, options);
  auto* compare = app.add_subcommand("compare", "compare several runs");
  compare->add_option("RUN", options.runs, "run folders")->required();
  compare->add_option("--out", options.out, "folder to write tables and pictures to; created if missing");
  compare->add_flag("--scaling", options.scaling,
                    "compare their times: speed-up, efficiency, imbalance, where the time goes");
  add_conversion(*app.add_subcommand("convert", "turn recordings of the vLLM plugin vLLM-Hook into captures"), options);
  auto* tokens =
      app.add_subcommand("tokens", "print the token ids and pieces that the model's tokenizer gives for texts");
  tokens->add_option("--model", options.model, "folder with tokenizer.json, or a GGUF file")->required();
  add_tokenised(*tokens, options);
  tokens->get_option("--text")->required();
  auto* validate = app.add_subcommand("validate", "check a checkpoint, a capture or a run; change nothing");
  add_input(*validate, options);
  add_strict_config(*validate, options);
  validate->get_option_group("input")->add_option("RUN", options.run, "run folder");
  add_comparison(*validate, options);
}

}  // namespace logitfield
