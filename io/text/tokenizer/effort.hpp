#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace logitfield::io {

/// Limits the cost of turning one text into tokens. The steps come with the model. A regular expression may try every
/// way to cut a text, and a few rewriting steps can fill any memory. The limits are far above the needs of ordinary
/// tokenizers.
class Effort {
 public:
  /// Positions in a text must fit in 32 bits, even if a step triples its length.
  static constexpr std::size_t kLargestText = std::size_t{1} << 30;

  /// `bytes`: the size of the text. `origin`: the tokenizer's file, for messages.
  Effort(std::size_t bytes, std::string origin);

  /// Throws InputError if this many rewritten bytes are too many, together with those rewritten before.
  void check_size(std::size_t bytes) const;
  /// Counts a part of the text as rewritten. Throws as check_size().
  void add_rewritten(std::size_t bytes);

  /// Counts work, in bytes or steps, and checks the time now and then. Throws InputError naming `step` if all work
  /// together takes too long.
  void add_work(std::size_t amount, std::string_view step) {
    work_ += amount;
    if (work_ >= kWorkBetweenLooks) check_time(step);
  }
  /// Checks the time now.
  void check_time(std::string_view step);

 private:
  static constexpr std::size_t kWorkBetweenLooks = 1 << 14;

  std::size_t bytes_, work_ = 0, rewritten_ = 0;
  std::string origin_;
  double begin_;
};

}  // namespace logitfield::io
