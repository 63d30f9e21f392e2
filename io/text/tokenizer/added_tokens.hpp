#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/text/tokenizer/effort.hpp"
#include "io/text/tokenizer/normalizer.hpp"
#include "io/text/tokenizer/regex.hpp"
#include "io/text/tokenizer/section.hpp"
#include "io/text/tokenizer/vocabulary.hpp"

namespace logitfield::io {

/// A part of a text: an added token, or text between them.
struct TextPart {
  static constexpr std::int32_t kText = -1;
  Span span;
  std::int32_t id = kText;
};

/// An added token's id and its rules of matching.
struct AddedToken {
  std::int32_t id = 0;
  bool single_word = false, lstrip = false, rstrip = false;
};

/// Finds added tokens in a text from left to right, at each position the longest.
class AddedTokenFinder {
 public:
  AddedTokenFinder();

  /// Adds a token; returns false if another token already has this text.
  bool add(const std::string& text, AddedToken token);
  /// Replaces `parts` by the parts of `text`. If tokens include the spaces around them, parts may overlap, as in the
  /// library `tokenizers`. Throws InputError if splitting takes too long.
  void split(std::string_view text, std::vector<TextPart>& parts, Effort& effort) const;

 private:
  /// A node of a tree of prefixes: its first child, and the next child of its parent; 0: none.
  struct Node {
    std::uint32_t child = 0, sibling = 0;
    std::int32_t token = -1;
    unsigned char byte = 0;
  };

  std::uint32_t child(std::uint32_t node, char byte) const;
  /// Returns the longest token at `begin`: its number and end; -1 if there is none.
  std::pair<std::int32_t, std::size_t> longest_at(std::string_view text, std::size_t begin, Effort& effort) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<bool, 256> begins_{};
};

/// The "added_tokens" of tokenizer.json. Some are searched for in the raw text, others in the normalised text.
class AddedTokens {
 public:
  /// `normalizer` may be null. Throws InputError naming the file, the token and the value if:
  /// - a token is malformed, or two tokens have the same text;
  /// - a token's id differs from that of its text in the vocabulary or, if the text is not there, from the next free
  ///   id;
  /// - the tokens have too much text, or normalising them takes too long.
  AddedTokens(const Section& file, const Vocabulary& vocabulary, const Normalizer* normalizer);

  const AddedTokenFinder& in_raw_text() const { return raw_; }
  const AddedTokenFinder& in_normalized_text() const { return normalized_; }
  /// Returns the id of an added token; the vocabulary is not searched.
  std::optional<std::int32_t> find(const std::string& text) const;
  /// Calls visit(text, id) for every added token.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [text, id] : ids_) visit(std::string_view(text), id);
  }

 private:
  void add(const Section& entry, const Vocabulary& vocabulary, const Normalizer* normalizer, std::int32_t& next_id,
           Effort& effort);

  std::unordered_map<std::string, std::int32_t> ids_;
  AddedTokenFinder raw_, normalized_;
};

}  // namespace logitfield::io
