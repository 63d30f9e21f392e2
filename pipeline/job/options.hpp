#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/device.hpp"
#include "kernels/precision.hpp"
#include "kernels/scope.hpp"
#include "pipeline/job/thresholds.hpp"

namespace logitfield {

/// The program's commands.
enum class Command { analyze, compare, convert, monitor, plan, report, tokens, validate };

/// Route to the spectra. automatic: the cheapest route, an exact one where affordable. krylov: only the leading
/// components of masked fields. dense: all components, distributed over the ranks of a stage (captures: all ranks).
enum class SpectrumChoice { automatic, krylov, dense };
/// Rows of a capture's heads. automatic: planned. whole: each head on one rank. sharded: divided over all ranks.
enum class RowsChoice { automatic, whole, sharded };
/// Weights in memory. automatic: planned. stream: one layer at a time. resident: all of a stage's layers.
enum class WeightsChoice { automatic, stream, resident };
/// Whether to put a BOS token before each text. automatic: as the model's tokenizer does.
enum class BosChoice { automatic, yes, no };

/// Heads drawn from each head (--head-null).
struct HeadNullPlan {
  /// Number of draws from each head, in each context.
  std::int64_t draws = 0;
  /// True: the head's own queries and keys, each in random order. False: Gaussian ones with the same first and second
  /// moments (kernels/field/row_moments.hpp).
  bool shuffled = false;
};

/// The user's choices for a plan.
struct PlanChoices {
  SpectrumChoice spectrum = SpectrumChoice::automatic;
  RowsChoice rows = RowsChoice::automatic;
  WeightsChoice weights = WeightsChoice::automatic;
  /// STAGESxSHARDS; empty: planned.
  std::string grid;
  /// Largest number of components that the Krylov route computes.
  std::int64_t components = 256;
  /// Number of heads that are also decomposed densely; number of Gaussian heads.
  std::int64_t verify_dense = 0, null_draws = 0;
  HeadNullPlan head_null;
  std::uint64_t seed = 0;
};

/// The command line, parsed and checked for form; see `logitfield --help`.
struct Options : PlanChoices {
  Command command = Command::analyze;
  std::filesystem::path model, capture, out;
  /// For `convert`: the folder of a run that vLLM-Hook recorded.
  std::filesystem::path vllm_hook;
  std::vector<std::filesystem::path> tokens, text;
  /// How .bin files of tokens are stored (integer_kind); empty: there are none.
  std::string token_dtype;
  /// Whether to leave out texts that are shorter than the longest context.
  bool skip_short = false;
  /// How --text becomes tokens. `start`: tokens left out at the beginning. `num_tokens`: most tokens to keep; 0: all.
  BosChoice bos = BosChoice::automatic;
  std::int64_t start = 0, num_tokens = 0;
  /// `run`: for `report` and `validate`. `runs`, below: for `compare`.
  std::filesystem::path run;
  /// For `analyze` and `report`: folder for figures. Empty: none are drawn.
  std::filesystem::path plots;
  std::vector<std::filesystem::path> runs;
  bool scaling = false;
  /// For `validate`: a capture to compare the model with, and the largest relative difference allowed.
  std::filesystem::path against;
  double tolerance = 1e-4;
  /// For `monitor`: checkpoints or folders of them; the regular expression that finds the step in their names (empty:
  /// the default); whether to look for new ones, and how often (seconds); when to alert.
  std::vector<std::filesystem::path> checkpoints;
  std::string step_pattern;
  bool follow = false;
  double interval = 10;
  Thresholds thresholds;
  std::vector<std::int64_t> contexts;
  std::vector<kernels::Scope> scopes{kernels::Scope::full};
  /// Folder for captures; empty: none are written.
  std::filesystem::path dump_captures;
  /// For `analyze`: resume the run in `out`, if there is one.
  bool resume = false;
  /// For `plan`: whether to measure the machine and store the rates; the rates' file (empty: the user's own).
  bool calibrate = false;
  std::filesystem::path rates;
  /// For `plan` on other machines and models: a published size or a config.json; the number of texts; the numbers of
  /// nodes and of ranks on each (0: the ranks of this job).
  std::string model_shape;
  std::int64_t num_texts = 1;
  int nodes = 0, ranks_per_node = 0;
  /// Memory of a node, bytes; 0: the value in the rates, or else the free memory of this host.
  std::uint64_t node_memory = 0;
  std::string layers;
  kernels::BackendKind backend = kernels::BackendKind::automatic;
  /// Whether to refuse every key of config.json that the model's family does not know.
  bool strict_config = false;
  /// Precision of the forward pass.
  kernels::Precision precision = kernels::Precision::float32;
};

}  // namespace logitfield
