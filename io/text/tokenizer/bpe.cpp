#include "io/text/tokenizer/bpe.hpp"

#include "io/error.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

/// Shorter pieces are not cut, because they are words already.
constexpr std::size_t kShortestCut = 24;

}  // namespace

void Bpe::encode(std::string_view piece, std::vector<std::int32_t>& ids) {
  if (ignore_merges_ && piece.size() <= vocabulary_.longest()) {
    if (const auto whole = vocabulary_.find(piece)) return ids.push_back(*whole);
  }
  find_symbols(piece);
  if (symbols_.size() > kShortestCut && can_cut_) {
    encode_cut(ids);
  } else {
    encode_word(symbols_, ids);
  }
}

/// Finds the symbols that merging begins with: characters, the bytes of characters that are not tokens, and unknown
/// tokens.
void Bpe::find_symbols(std::string_view piece) {
  symbols_.clear();
  for (std::size_t at = 0; at < piece.size();) {
    const CodePoint code = code_point_at(piece, at);
    const std::string_view character = piece.substr(at, code.size);
    at += code.size;
    if (const std::int32_t id = character_id(code.value); id >= 0) {
      end_unknown();
      symbols_.push_back(id);
    } else if (!byte_fallback_ || !fall_back_to_bytes(character)) {
      add_unknown(character);
    }
  }
  end_unknown();
}

std::int32_t Bpe::character_id(char32_t code) const {
  if (code < basic_characters_.size()) return basic_characters_[code];
  const auto found = other_characters_.find(code);
  return found == other_characters_.end() ? -1 : found->second;
}

/// Requires that all bytes of the character are tokens. A pending unknown character is then emitted after them, as
/// tokenizers do.
bool Bpe::fall_back_to_bytes(std::string_view character) {
  for (const char byte : character) {
    if (bytes_[static_cast<unsigned char>(byte)] < 0) return false;
  }
  for (const char byte : character) symbols_.push_back(bytes_[static_cast<unsigned char>(byte)]);
  return true;
}

void Bpe::add_unknown(std::string_view character) {
  if (unknown_.empty()) return;  // without an unknown token such characters are dropped
  if (!unknown_id_) {
    throw InputError("{}: the character {} of the text is not a token, and neither is \"unk_token\" {}; {}", origin_,
                     excerpt(std::string(character)), excerpt(unknown_), kTokenizerRemedy);
  }
  if (!fuse_unknown_) end_unknown();
  pending_unknown_ = unknown_id_;
}

void Bpe::end_unknown() {
  if (pending_unknown_) symbols_.push_back(*pending_unknown_);
  pending_unknown_.reset();
}

void Bpe::encode_cut(std::vector<std::int32_t>& ids) {
  const std::span<const std::int32_t> all(symbols_);
  std::size_t begin = 0;
  for (std::size_t end = 1; end <= all.size(); ++end) {
    if (end < all.size() && joints_.find(all[end - 1], all[end])) continue;
    encode_word(all.subspan(begin, end - begin), ids);
    begin = end;
  }
}

void Bpe::encode_word(std::span<const std::int32_t> word, std::vector<std::int32_t>& ids) {
  if (word.size() < 2) {
    ids.insert(ids.end(), word.begin(), word.end());
  } else if (word.size() > WordCache::kLongestWord) {
    merger_.merge(word, ids);
  } else if (const auto known = cache_.find(word)) {
    ids.insert(ids.end(), known->begin(), known->end());
  } else {
    const std::size_t before = ids.size();
    merger_.merge(word, ids);
    cache_.put(word, std::span(ids).subspan(before));
  }
}

}  // namespace logitfield::io
