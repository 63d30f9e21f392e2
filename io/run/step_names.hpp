#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <variant>

struct pcre2_real_code_8;

namespace logitfield::io {

/// The place in training that a checkpoint's name gives.
struct StepName {
  std::int64_t step = 0;
  /// Stage of training, and the branch of a stage ("ingredient"); -1: the name gives none.
  std::int64_t stage = -1, branch = -1;
  /// 0: the name says that the number is a step, or consists of the number; 1: the number is a word of its own among
  /// other words ("Llama-2-7b"); 2: it is part of a word ("qwen2").
  int doubt = 0;
  /// Whether the name also marks a chosen model ("best", "final"), which may be a copy.
  bool is_chosen = false;
};

/// Reads the steps in names of checkpoints.
class StepNames {
 public:
  /// Understands the usual names. It takes the number next to "step", else after a word such as "checkpoint", else the
  /// last number that is a word of its own. A following k or M means thousands or millions.
  StepNames() = default;
  /// Reads the number in the first group of `pattern`, a regular expression (PCRE2), or in all of its match. Throws
  /// InputError if `pattern` is not a regular expression.
  explicit StepNames(const std::string& pattern);

  /// Returns the place that the name gives, or the reason why it gives no step.
  std::variant<StepName, std::string> read(const std::string& name) const;

 private:
  std::string pattern_;
  std::shared_ptr<const pcre2_real_code_8> code_;
};

}  // namespace logitfield::io
