#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace logitfield::io {

/// What it may cost to turn one text into tokens. The steps come with the model; a regular expression may try every way
/// to cut a text, and a few steps that rewrite can fill any memory. The limits lie far beyond what sound tokenizers
/// need.
class Effort {
 public:
  /// Places in a text must stay within 32 bits, also when a step triples it.
  static constexpr std::size_t kLargestText = std::size_t{1} << 30;

  /// `bytes` of text are tokenised by the file `origin`.
  Effort(std::size_t bytes, std::string origin);

  /// Throws InputError if this much rewritten text is too much, together with what was rewritten before.
  void check_size(std::size_t bytes) const;
  /// Counts a part of the text as rewritten. Throws as check_size().
  void add_rewritten(std::size_t bytes);

  /// Counts work, in bytes or steps, and looks at the clock now and then. Throws InputError naming `step` if all of it
  /// takes too long.
  void add_work(std::size_t amount, std::string_view step) {
    work_ += amount;
    if (work_ >= kWorkBetweenLooks) check_time(step);
  }
  /// Looks at the clock now.
  void check_time(std::string_view step);

 private:
  static constexpr std::size_t kWorkBetweenLooks = 1 << 14;

  std::size_t bytes_, work_ = 0, rewritten_ = 0;
  std::string origin_;
  double begin_;
};

}  // namespace logitfield::io
