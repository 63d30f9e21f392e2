#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/job/thresholds.hpp"

namespace logitfield {

/// The program's commands.
enum class Command { analyze, compare, monitor, plan, report, validate };

/// The command line, parsed and checked for form; see `logitfield --help`.
struct Options {
  Command command = Command::analyze;
  std::filesystem::path model, capture, out;
  std::vector<std::filesystem::path> tokens, text;
  /// How --text becomes tokens: auto, yes or no; tokens left out at the beginning; the most that are kept, 0: all.
  std::string bos = "auto";
  std::int64_t start = 0, num_tokens = 0;
  /// Of `report` and `validate`; of `compare`.
  std::filesystem::path run;
  /// Of `analyze` and `report`: folder for figures. Empty: none are drawn.
  std::filesystem::path plots;
  std::vector<std::filesystem::path> runs;
  bool scaling = false;
  /// Of `validate`: a capture that the model is held against, and the largest relative difference allowed.
  std::filesystem::path against;
  double tolerance = 1e-4;
  /// Of `monitor`: checkpoints or folders of them; whether, and how often (seconds), to look for new ones; when to
  /// alert.
  std::vector<std::filesystem::path> checkpoints;
  bool follow = false;
  double interval = 10;
  Thresholds thresholds;
  std::vector<std::int64_t> contexts;
  std::vector<std::string> scopes{"full"};
  /// auto, krylov or dense; auto, whole or sharded.
  std::string spectrum = "auto", rows = "auto";
  std::int64_t components = 256;
  std::int64_t verify_dense = 0, null_draws = 0;
  /// Draws from every head; gaussian or shuffled.
  std::int64_t head_null = 0;
  std::string head_null_kind = "gaussian";
  std::uint64_t seed = 0;
  /// Empty: none are written.
  std::filesystem::path dump_captures;
  /// Of `analyze`: go on with the run in `out`, if there is one.
  bool resume = false;
  /// Of `plan`: measure the machine and keep the rates; the rates' file (empty: the user's own).
  bool calibrate = false;
  std::filesystem::path rates;
  /// Of `plan`, for machines and models that are not there: a published size or a config.json, how many texts, and
  /// nodes of so many ranks (0: the ranks at hand).
  std::string model_shape;
  std::int64_t num_texts = 1;
  int nodes = 0, ranks_per_node = 0;
  /// Bytes; 0: what the rates say, else what is free here.
  std::uint64_t node_memory = 0;
  std::string layers;
  std::string grid;
  std::string weights = "auto";
  std::string backend = "auto";
  /// Of the forward pass: float32, tf32 or bf16.
  std::string precision = "float32";
};

/// Throws InputError for a model without texts, and for a capture with texts.
void check_texts(const Options& options);

/// Throws InputError for bad usage. Returns nothing, and puts the text to print into `message`, where help or the
/// version was asked for.
std::optional<Options> parse_options(int argc, const char* const* argv, std::string& message);

}  // namespace logitfield
