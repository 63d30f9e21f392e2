#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/text/tokenizer/merging.hpp"
#include "io/text/tokenizer/section.hpp"
#include "io/text/tokenizer/vocabulary.hpp"
#include "io/text/tokenizer/word_cache.hpp"

namespace logitfield::io {

/// Byte pair encoding: turns pieces of text into tokens. Only one thread may use it at a time.
class Bpe {
 public:
  /// Reads the "model" of tokenizer.json. Throws InputError naming the file and the key for another type of model, for
  /// dropout, subword prefixes and suffixes, and for vocabularies and merges that are malformed or contradict each
  /// other.
  explicit Bpe(const Section& section);
  Bpe(const Bpe&) = delete;
  Bpe& operator=(const Bpe&) = delete;

  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Appends the ids of `piece` (valid UTF-8). Throws InputError for a character that is not in the vocabulary if there
  /// is no unknown token either.
  void encode(std::string_view piece, std::vector<std::int32_t>& ids);

 private:
  void read_vocabulary(const Section& section);
  void read_merges(const Section& section);
  /// `index`: number of the merge in the file, for messages.
  void add_merge(const std::string& left, const std::string& right, std::uint32_t rank, std::size_t index);
  void list_characters();
  void list_bytes();

  std::int32_t character_id(char32_t code) const;
  void find_symbols(std::string_view piece);
  bool fall_back_to_bytes(std::string_view character);
  void add_unknown(std::string_view character);
  void end_unknown();
  void encode_cut(std::vector<std::int32_t>& ids);
  void encode_word(std::span<const std::int32_t> word, std::vector<std::int32_t>& ids);

  std::string origin_;
  Vocabulary vocabulary_;
  Merges merges_;
  bool ignore_merges_ = false, byte_fallback_ = false, fuse_unknown_ = false;
  std::string unknown_;
  std::optional<std::int32_t> unknown_id_;

  /// Ids of single characters; -1: none. Characters of the basic plane are indexed by code, others are in the map.
  std::vector<std::int32_t> basic_characters_;
  std::unordered_map<char32_t, std::int32_t> other_characters_;
  std::array<std::int32_t, 256> bytes_{};

  /// Pairs of characters that some merge joins. A long piece is cut between all other pairs, into independent words.
  PairMap<char> joints_;
  bool can_cut_ = true;

  Merger merger_{merges_};
  WordCache cache_;
  std::vector<std::int32_t> symbols_;
  /// An unknown character that may still be fused with the next.
  std::optional<std::int32_t> pending_unknown_;
};

}  // namespace logitfield::io
