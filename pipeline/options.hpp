#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace logitfield {

enum class Command { analyze, plan, report, validate };

/// The command line, parsed and checked for form; see `logitfield --help`.
struct Options {
  Command command = Command::analyze;
  std::filesystem::path model, capture, out;
  std::vector<std::filesystem::path> tokens, text;
  /// How --text becomes tokens: auto, yes or no; tokens left out at the beginning; the most that are kept, 0: all.
  std::string bos = "auto";
  std::int64_t start = 0, num_tokens = 0;
  /// Of `report` and `validate`.
  std::filesystem::path run;
  /// Of `validate`: a capture that the model is held against, and the largest relative difference allowed.
  std::filesystem::path against;
  double tolerance = 1e-4;
  std::vector<std::int64_t> contexts;
  std::vector<std::string> scopes{"full"};
  /// auto, krylov or dense; auto, whole or sharded.
  std::string spectrum = "auto", rows = "auto";
  std::int64_t components = 256;
  std::int64_t verify_dense = 0, null_draws = 0;
  std::uint64_t seed = 0;
  /// Empty: none are written.
  std::filesystem::path dump_captures;
  std::string layers;
  std::string grid;
  std::string weights = "auto";
  std::string backend = "auto";
  /// Of the forward pass: float32, tf32 or bf16.
  std::string precision = "float32";
};

/// Throws InputError for bad usage. Returns nothing, and puts the text to print into `message`, where help or the
/// version was asked for.
std::optional<Options> parse_options(int argc, const char* const* argv, std::string& message);

}  // namespace logitfield
