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

/// Routes to spectra: the cheapest that is exact where that is affordable; leading components of masked fields; every
/// spectrum whole, distributed over all ranks.
enum class SpectrumChoice { automatic, krylov, dense };
/// Rows of a capture's heads: planned; each head on one rank; over all ranks.
enum class RowsChoice { automatic, whole, sharded };
/// Weights in memory: planned; one layer at a time; all of a stage's layers.
enum class WeightsChoice { automatic, stream, resident };
/// A BOS token in front of each text: as the model's tokenizer does; always; never.
enum class BosChoice { automatic, yes, no };

/// Heads drawn from each head (--head-null).
struct HeadNullPlan {
  /// Of each head, in each context.
  std::int64_t draws = 0;
  /// Its own queries and its own keys, each in another order; else Gaussian ones with the same first and second moments
  /// (kernels/field/row_moments.hpp).
  bool shuffled = false;
};

/// What the user asks of a plan.
struct PlanChoices {
  SpectrumChoice spectrum = SpectrumChoice::automatic;
  RowsChoice rows = RowsChoice::automatic;
  WeightsChoice weights = WeightsChoice::automatic;
  /// STAGESxSHARDS; empty: planned.
  std::string grid;
  /// Most components of the Krylov route.
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
  /// Leaves out texts that are shorter than the longest of the contexts.
  bool skip_short = false;
  /// How --text becomes tokens. `start`: tokens left out at the beginning. `num_tokens`: the most tokens kept; 0: all.
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
  /// For `monitor`: checkpoints or folders of them, and where their names say the step (a regular expression; empty: as
  /// usual); whether to look for new ones, and how often (seconds); when to alert.
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
  /// For `plan` on other machines and models: a published size or a config.json, the number of texts, and the numbers
  /// of nodes and of ranks on each (0: the ranks at hand).
  std::string model_shape;
  std::int64_t num_texts = 1;
  int nodes = 0, ranks_per_node = 0;
  /// Bytes; 0: the rates' value, else the memory that is free here.
  std::uint64_t node_memory = 0;
  std::string layers;
  kernels::BackendKind backend = kernels::BackendKind::automatic;
  /// Refuses every key of config.json that the model's family does not know.
  bool strict_config = false;
  /// Precision of the forward pass.
  kernels::Precision precision = kernels::Precision::float32;
};

}  // namespace logitfield
