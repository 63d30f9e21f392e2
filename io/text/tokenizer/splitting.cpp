#include "io/text/tokenizer/splitting.hpp"

#include <map>
#include <memory>

#include "io/error.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {

Finder read_pattern(const Section& owner) {
  const auto pattern = owner.section("pattern");
  if (!pattern) throw InputError("{}: \"pattern\" is missing; copy the file again", owner.origin());
  pattern->allow({"Regex", "String"});
  if (pattern->has("Regex")) return regex_matches(pattern->get<std::string>("Regex"), owner.origin());
  const auto what = pattern->get<std::string>("String");
  // Limits a search text, because the search compares up to the whole of it at every place.
  constexpr std::size_t kLongest = 1024;
  if (what.empty() || what.size() > kLongest) {
    throw InputError("{}: \"pattern\" is {}; {}", owner.origin(),
                     what.empty() ? "empty" : fmt::format("longer than {} bytes", kLongest), kTokenizerRemedy);
  }
  return occurrences_of(what);
}

Finder regex_matches(const std::string& pattern, const std::string& origin) {
  const auto regex = std::make_shared<Regex>(pattern, origin);
  return [regex](std::string_view text, std::vector<Span>& found, Effort& effort) {
    regex->find_all(text, found, effort);
  };
}

Finder occurrences_of(std::string what) {
  return [what = std::move(what)](std::string_view text, std::vector<Span>& found, Effort&) {
    found.clear();
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; at += what.size()) {
      found.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + what.size())});
    }
  };
}

Finder characters_that(bool (*is_member)(char32_t)) {
  return [is_member](std::string_view text, std::vector<Span>& found, Effort&) {
    found.clear();
    for (std::uint32_t at = 0; at < text.size();) {
      const CodePoint code = code_point_at(text, at);
      if (is_member(code.value)) found.push_back({at, at + code.size});
      at += code.size;
    }
  };
}

Behavior read_behavior(const Section& section) {
  static const std::map<std::string, Behavior> kBehaviors{{"Removed", Behavior::removed},
                                                          {"Isolated", Behavior::isolated},
                                                          {"MergedWithPrevious", Behavior::merged_with_previous},
                                                          {"MergedWithNext", Behavior::merged_with_next},
                                                          {"Contiguous", Behavior::contiguous}};
  const auto found = kBehaviors.find(section.get<std::string>("behavior"));
  if (found == kBehaviors.end()) section.refuse("behavior");
  return found->second;
}

Splitter::Splitter(Finder find, Behavior behavior, bool inverted)
    : find_(std::move(find)), behavior_(behavior), inverted_(inverted) {}

void Splitter::split(std::string_view text, std::uint32_t offset, std::vector<Span>& pieces, Effort& effort) const {
  find_(text, found_, effort);
  cut(static_cast<std::uint32_t>(text.size()));
  if (behavior_ == Behavior::contiguous) join_touching();
  if (behavior_ == Behavior::merged_with_previous) join_with_previous();
  if (behavior_ == Behavior::merged_with_next) join_with_next();
  for (const Part& part : parts_) {
    if (part.span.size() == 0 || (behavior_ == Behavior::removed && part.matched)) continue;
    pieces.push_back({offset + part.span.begin, offset + part.span.end});
  }
}

/// Cuts the text into matches and the parts between them.
void Splitter::cut(std::uint32_t size) const {
  parts_.clear();
  std::uint32_t end = 0;
  for (const Span& match : found_) {
    if (end != match.begin) parts_.push_back({{end, match.begin}, inverted_});
    parts_.push_back({match, !inverted_});
    end = match.end;
  }
  if (end != size) parts_.push_back({{end, size}, inverted_});
}

void Splitter::join_touching() const {
  std::size_t kept = 0;
  for (const Part& part : parts_) {
    if (kept > 0 && parts_[kept - 1].matched == part.matched) {
      parts_[kept - 1].span.end = part.span.end;
    } else {
      parts_[kept++] = part;
    }
  }
  parts_.resize(kept);
}

/// Of adjacent matches only the first is joined; the others stay separate pieces.
void Splitter::join_with_previous() const {
  std::size_t kept = 0;
  bool after_match = false;
  for (const Part part : parts_) {
    if (part.matched && !after_match && kept > 0) {
      parts_[kept - 1].span.end = part.span.end;
    } else {
      parts_[kept++] = part;
    }
    after_match = part.matched;
  }
  parts_.resize(kept);
}

void Splitter::join_with_next() const {
  std::vector<Part> backwards;
  bool before_match = false;
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    if (part->matched && !before_match && !backwards.empty()) {
      backwards.back().span.begin = part->span.begin;
    } else {
      backwards.push_back(*part);
    }
    before_match = part->matched;
  }
  parts_.assign(backwards.rbegin(), backwards.rend());
}

}  // namespace logitfield::io
