#pragma once
#include <functional>
#include <string_view>
#include <vector>

#include "io/text/tokenizer/effort.hpp"
#include "io/text/tokenizer/regex.hpp"
#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {

/// Finds the matches at which a tokenizer splits: disjoint, from left to right, relative to the text. Empties the list
/// first.
using Finder = std::function<void(std::string_view text, std::vector<Span>& found, Effort& effort)>;

/// Reads a pattern of tokenizer.json, {"Regex": ...} or {"String": ...}. Throws InputError for any other pattern, for
/// an empty or long string, and for a regular expression that Regex refuses.
Finder read_pattern(const Section& owner);
/// Finds matches of a regular expression; throws as Regex does.
Finder regex_matches(const std::string& pattern, const std::string& origin);
/// Finds occurrences of `what`, which must not be empty.
Finder occurrences_of(std::string what);
/// Finds every single character for which `is_member` is true.
Finder characters_that(bool (*is_member)(char32_t));

/// Treatment of a match: dropped, a piece of its own, part of the piece before or after it, or one piece with the
/// matches that it touches.
enum class Behavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Reads the "behavior" of a section; throws InputError if it is unknown.
Behavior read_behavior(const Section& section);

/// Cuts texts into pieces.
class Splitter {
 public:
  /// `inverted`: the text between the finder's matches counts as matched, and the matches do not.
  Splitter(Finder find, Behavior behavior, bool inverted = false);

  /// Appends the pieces of `text` that are not empty to `pieces`, with `offset` added to their positions.
  void split(std::string_view text, std::uint32_t offset, std::vector<Span>& pieces, Effort& effort) const;

 private:
  struct Part {
    Span span;
    bool matched;
  };

  void cut(std::uint32_t size) const;
  void join_touching() const;
  void join_with_previous() const;
  void join_with_next() const;

  Finder find_;
  Behavior behavior_;
  bool inverted_;
  /// A member only to reuse its memory.
  mutable std::vector<Span> found_;
  mutable std::vector<Part> parts_;
};

}  // namespace logitfield::io
