#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/job/thresholds.hpp"

namespace logitfield {

/// The program's commands.
enum class Command { analyze, compare, monitor, plan, report, tokens, validate };

/// The command line, parsed and checked for form; see `logitfield --help`.
struct Options {
  Command command = Command::analyze;
  std::filesystem::path model, capture, out;
  std::vector<std::filesystem::path> tokens, text;
  /// How .bin files of tokens are stored (integer_kind); empty: there are none.
  std::string token_dtype;
  /// Leaves out texts that are shorter than the longest of the contexts.
  bool skip_short = false;
  /// How --text becomes tokens. `bos`: auto, yes or no. `start`: tokens left out at the beginning. `num_tokens`: the
  /// most tokens kept; 0: all.
  std::string bos = "auto";
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
  std::vector<std::string> scopes{"full"};
  /// `spectrum`: auto, krylov or dense. `rows`: auto, whole or sharded.
  std::string spectrum = "auto", rows = "auto";
  std::int64_t components = 256;
  std::int64_t verify_dense = 0, null_draws = 0;
  /// Draws from every head, and their kind: gaussian or shuffled.
  std::int64_t head_null = 0;
  std::string head_null_kind = "gaussian";
  std::uint64_t seed = 0;
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
  std::string grid;
  std::string weights = "auto";
  std::string backend = "auto";
  /// Refuses every key of config.json that the model's family does not know.
  bool strict_config = false;
  /// Precision of the forward pass: float32, tf32 or bf16.
  std::string precision = "float32";
};

/// Throws InputError for a model without texts, and for a capture with texts.
void check_texts(const Options& options);

/// Throws InputError for wrong usage. If help or the version was asked for, returns nothing and stores the text to
/// print in `message`.
std::optional<Options> parse_options(int argc, const char* const* argv, std::string& message);

}  // namespace logitfield
