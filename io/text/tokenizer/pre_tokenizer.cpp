#include "io/text/tokenizer/pre_tokenizer.hpp"

#include <algorithm>
#include <map>

#include "io/error.hpp"
#include "io/text/tokenizer/byte_characters.hpp"
#include "io/text/tokenizer/characters.hpp"
#include "io/text/tokenizer/splitting.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

/// GPT-2's own pattern.
constexpr const char* kByteLevelPattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

std::string_view view(const Pieces& pieces, Span span) {
  return std::string_view(pieces.text).substr(span.begin, span.size());
}

/// Replaces every piece by its parts.
void split_all(Pieces& pieces, const Splitter& splitter, Effort& effort) {
  std::vector<Span> out;
  out.reserve(pieces.spans.size());
  for (const Span span : pieces.spans) splitter.split(view(pieces, span), span.begin, out, effort);
  pieces.spans = std::move(out);
}

/// Rewrites pieces, one after the other.
class Rewriting {
 public:
  explicit Rewriting(Pieces& pieces) : pieces_(pieces) { text_.reserve(2 * pieces.text.size()); }

  std::string& text() { return text_; }
  /// Ends the piece that is being written.
  void end_piece() {
    spans_.push_back({begin_, static_cast<std::uint32_t>(text_.size())});
    begin_ = spans_.back().end;
  }
  void finish() {
    pieces_.begins_document = pieces_.begins_document && !pieces_.spans.empty() && pieces_.spans.front().begin == 0;
    pieces_.text = std::move(text_);
    pieces_.spans = std::move(spans_);
  }

 private:
  Pieces& pieces_;
  std::string text_;
  std::vector<Span> spans_;
  std::uint32_t begin_ = 0;
};

class Split : public PreTokenizer {
 public:
  explicit Split(Splitter splitter) : splitter_(std::move(splitter)) {}
  void apply(Pieces& pieces, Effort& effort) const override { split_all(pieces, splitter_, effort); }

 private:
  Splitter splitter_;
};

/// Writes pieces as byte characters; on request, first cuts them by GPT-2's pattern.
class ByteLevel : public PreTokenizer {
 public:
  explicit ByteLevel(const Section& section) : prefix_space_(section.get<bool>("add_prefix_space")) {
    section.allow({"add_prefix_space", "trim_offsets", "use_regex"});  // offsets are not wanted
    if (!section.get_or("use_regex", true)) return;
    splitter_.emplace(regex_matches(kByteLevelPattern, section.origin()), Behavior::isolated);
  }

  void apply(Pieces& pieces, Effort& effort) const override {
    if (prefix_space_) add_spaces(pieces);
    if (splitter_) split_all(pieces, *splitter_, effort);
    Rewriting rewriting(pieces);
    for (const Span span : pieces.spans) {
      append_byte_characters(rewriting.text(), view(pieces, span));
      rewriting.end_piece();
    }
    rewriting.finish();
  }

 private:
  static void add_spaces(Pieces& pieces) {
    Rewriting rewriting(pieces);
    for (const Span span : pieces.spans) {
      const std::string_view piece = view(pieces, span);
      if (!piece.starts_with(' ')) rewriting.text() += ' ';
      rewriting.text() += piece;
      rewriting.end_piece();
    }
    rewriting.finish();
  }

  bool prefix_space_;
  std::optional<Splitter> splitter_;
};

/// Writes spaces as another character, puts one more of it before the text, and cuts before each.
class Metaspace : public PreTokenizer {
 public:
  explicit Metaspace(const Section& section) : replacement_(section.get<std::string>("replacement")) {
    section.allow({"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"});
    if (count_code_points(replacement_) != 1) section.refuse("replacement");
    read_scheme(section);
    if (section.get_or("split", true)) splitter_.emplace(occurrences_of(replacement_), Behavior::merged_with_next);
  }

  void apply(Pieces& pieces, Effort& effort) const override {
    Rewriting rewriting(pieces);
    for (const Span span : pieces.spans) {
      const std::string_view piece = view(pieces, span);
      const bool replaced_first = piece.starts_with(' ') || piece.starts_with(replacement_);
      if (!replaced_first && prepends(pieces.begins_document && span.begin == 0)) rewriting.text() += replacement_;
      for (const char byte : piece) {
        if (byte == ' ') {
          rewriting.text() += replacement_;
        } else {
          rewriting.text() += byte;
        }
      }
      rewriting.end_piece();
    }
    rewriting.finish();
    if (splitter_) split_all(pieces, *splitter_, effort);
  }

 private:
  enum class Scheme { first, always, never };

  void read_scheme(const Section& section) {
    static const std::map<std::string, Scheme> kSchemes{
        {"first", Scheme::first}, {"always", Scheme::always}, {"never", Scheme::never}};
    const auto found = kSchemes.find(section.get_or<std::string>("prepend_scheme", "always"));
    if (found == kSchemes.end()) section.refuse("prepend_scheme");
    scheme_ = found->second;
    // Files older than the schemes have only this key.
    if (section.get_or("add_prefix_space", true)) return;
    if (section.has("prepend_scheme") && scheme_ != Scheme::never) section.refuse("add_prefix_space");
    scheme_ = Scheme::never;
  }

  bool prepends(bool at_beginning) const {
    return scheme_ == Scheme::always || (scheme_ == Scheme::first && at_beginning);
  }

  std::string replacement_;
  Scheme scheme_ = Scheme::always;
  std::optional<Splitter> splitter_;
};

class Sequence : public PreTokenizer {
 public:
  explicit Sequence(const Section& section) {
    section.allow({"pretokenizers"});
    for (const Section& step : section.sections("pretokenizers")) steps_.push_back(read_pre_tokenizer(step));
  }
  void apply(Pieces& pieces, Effort& effort) const override {
    for (const auto& step : steps_) {
      step->apply(pieces, effort);
      effort.check_size(pieces.text.size());
      effort.add_work(pieces.text.size() + 1, "a pre-tokenizer");
    }
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

std::unique_ptr<PreTokenizer> read_split(const Section& section) {
  section.allow({"pattern", "behavior", "invert"});
  return std::make_unique<Split>(Splitter(read_pattern(section), read_behavior(section), section.get<bool>("invert")));
}

std::unique_ptr<PreTokenizer> read_digits(const Section& section) {
  section.allow({"individual_digits"});
  const bool each = section.get<bool>("individual_digits");
  return std::make_unique<Split>(
      Splitter(characters_that(is_numeric), each ? Behavior::isolated : Behavior::contiguous));
}

std::unique_ptr<PreTokenizer> read_punctuation(const Section& section) {
  section.allow({"behavior"});
  const Behavior behavior = section.has("behavior") ? read_behavior(section) : Behavior::isolated;
  return std::make_unique<Split>(Splitter(characters_that(is_punctuation), behavior));
}

std::unique_ptr<PreTokenizer> read_whitespace(const Section& section) {
  section.allow({});
  constexpr const char* kWords = "[\\w\\u200C\\u200D]+|[^\\w\\s\\u200C\\u200D]+";
  return std::make_unique<Split>(Splitter(regex_matches(kWords, section.origin()), Behavior::removed, true));
}

std::unique_ptr<PreTokenizer> read_whitespace_split(const Section& section) {
  section.allow({});
  return std::make_unique<Split>(Splitter(characters_that(is_space), Behavior::removed));
}

template <class T>
std::unique_ptr<PreTokenizer> make(const Section& section) {
  return std::make_unique<T>(section);
}

}  // namespace

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Section& section) {
  static const std::map<std::string, std::unique_ptr<PreTokenizer> (*)(const Section&)> kReaders{
      {"ByteLevel", make<ByteLevel>},  {"Digits", read_digits},
      {"Metaspace", make<Metaspace>},  {"Punctuation", read_punctuation},
      {"Sequence", make<Sequence>},    {"Split", read_split},
      {"Whitespace", read_whitespace}, {"WhitespaceSplit", read_whitespace_split}};
  const auto reader = kReaders.find(section.type());
  if (reader == kReaders.end()) section.refuse("type");
  return reader->second(section);
}

bool depends_on_beginning(const Section& pre_tokenizer) {
  if (pre_tokenizer.type() == "Metaspace") {
    return pre_tokenizer.get_or<std::string>("prepend_scheme", "always") == "first";
  }
  if (pre_tokenizer.type() != "Sequence") return false;
  const auto steps = pre_tokenizer.sections("pretokenizers");
  return std::any_of(steps.begin(), steps.end(), depends_on_beginning);
}

}  // namespace logitfield::io
