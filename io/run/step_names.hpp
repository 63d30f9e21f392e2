#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <variant>

struct pcre2_real_code_8;

namespace logitfield::io {

/// What a checkpoint's name says about its place in training.
struct StepName {
  std::int64_t step = 0;
  /// Stage of training, and the branch of a stage ("ingredient"); -1: the name says none.
  std::int64_t stage = -1, branch = -1;
  /// 0: the name says that the number is a step, or is nothing else; 1: the number stands alone beside other words
  /// ("Llama-2-7b"); 2: it is glued to one ("qwen2").
  int doubt = 0;
  /// Whether the name also says that the model was chosen ("best", "final"), so that it may be a copy.
  bool is_chosen = false;
};

/// Reads the steps in names of checkpoints.
class StepNames {
 public:
  /// Understands the usual names: the number beside "step", else behind a word such as "checkpoint", else the last
  /// number that stands alone, in thousands or millions if k or M follows it.
  StepNames() = default;
  /// Reads the number in the first group of `pattern`, a regular expression (PCRE2), or in all of its match. Throws
  /// InputError if it is none.
  explicit StepNames(const std::string& pattern);

  /// What the name says, or why it says no step.
  std::variant<StepName, std::string> read(const std::string& name) const;

 private:
  std::string pattern_;
  std::shared_ptr<const pcre2_real_code_8> code_;
};

}  // namespace logitfield::io
