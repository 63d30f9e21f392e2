#include "io/text/tokenizer/added_tokens.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "io/text/tokenizer/characters.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

/// The most text of all added tokens; Gemma has 6,000 tokens with 100 kB.
constexpr std::size_t kMostAddedBytes = std::size_t{8} << 20;
constexpr std::uint32_t kRoot = 0;  // the root is no child, so 0 as a child means none

bool is_part_of_word(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && is_word(code_point_before(text, begin).value)) ||
         (end < text.size() && is_word(code_point_at(text, end).value));
}

/// Start of the run of spaces that ends at `end`.
std::size_t space_before(std::string_view text, std::size_t end) {
  while (end > 0 && is_space(code_point_before(text, end).value)) end -= code_point_before(text, end).size;
  return end;
}

/// End of the run of spaces that starts at `begin`.
std::size_t space_after(std::string_view text, std::size_t begin) {
  while (begin < text.size() && is_space(code_point_at(text, begin).value)) begin += code_point_at(text, begin).size;
  return begin;
}

TextPart part(std::size_t begin, std::size_t end, std::int32_t id) {
  return {{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)}, id};
}

}  // namespace

AddedTokenFinder::AddedTokenFinder() : nodes_(1) {}

bool AddedTokenFinder::add(const std::string& text, AddedToken token) {
  std::uint32_t node = kRoot;
  for (const char byte : text) {
    std::uint32_t next = child(node, byte);
    if (next == kRoot) {
      next = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back({.sibling = nodes_[node].child, .byte = static_cast<unsigned char>(byte)});
      nodes_[node].child = next;
    }
    node = next;
  }
  if (nodes_[node].token >= 0) return false;
  nodes_[node].token = static_cast<std::int32_t>(tokens_.size());
  begins_[static_cast<unsigned char>(text.front())] = true;
  tokens_.push_back(token);
  return true;
}

std::uint32_t AddedTokenFinder::child(std::uint32_t node, char byte) const {
  std::uint32_t next = nodes_[node].child;
  while (next != kRoot && nodes_[next].byte != static_cast<unsigned char>(byte)) next = nodes_[next].sibling;
  return next;
}

std::pair<std::int32_t, std::size_t> AddedTokenFinder::longest_at(std::string_view text, std::size_t begin,
                                                                  Effort& effort) const {
  std::pair<std::int32_t, std::size_t> longest{-1, begin};
  std::uint32_t node = kRoot;
  for (std::size_t at = begin; at < text.size(); ++at) {
    effort.add_work(1, "added_tokens");
    node = child(node, text[at]);
    if (node == kRoot) break;
    if (nodes_[node].token >= 0) longest = {nodes_[node].token, at + 1};
  }
  return longest;
}

void AddedTokenFinder::split(std::string_view text, std::vector<TextPart>& parts, Effort& effort) const {
  parts.clear();
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (!begins_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const auto [number, match_end] = longest_at(text, at, effort);
    if (number < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[number];
    std::size_t begin = at, end = match_end;
    at = match_end;
    if (token.single_word && is_part_of_word(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(space_before(text, begin), done);
    if (token.rstrip) end = space_after(text, end);
    if (done < begin) parts.push_back(part(done, begin, TextPart::kText));
    parts.push_back(part(begin, end, token.id));
    done = end;
  }
  if (done != text.size()) parts.push_back(part(done, text.size(), TextPart::kText));
}

AddedTokens::AddedTokens(const Section& file, const Vocabulary& vocabulary, const Normalizer* normalizer) {
  if (!file.has("added_tokens")) return;
  auto next_id = static_cast<std::int32_t>(vocabulary.size());
  const std::vector<Section> entries = file.sections("added_tokens");
  std::size_t bytes = 0;
  for (const Section& entry : entries) bytes += entry.get<std::string>("content").size();
  if (bytes > kMostAddedBytes) {
    throw InputError("{}: \"added_tokens\" have {} bytes of text, more than {}; {}", file.origin(), bytes,
                     kMostAddedBytes, kTokenizerRemedy);
  }
  Effort effort(bytes, file.origin());
  for (const Section& entry : entries) add(entry, vocabulary, normalizer, next_id, effort);
}

std::optional<std::int32_t> AddedTokens::find(const std::string& text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

void AddedTokens::add(const Section& entry, const Vocabulary& vocabulary, const Normalizer* normalizer,
                      std::int32_t& next_id, Effort& effort) {
  entry.allow({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  const auto content = entry.get<std::string>("content");
  if (content.empty()) entry.refuse("content");
  // Tokenizers ignore the id in the file when they read it. If it differs, the file contradicts itself.
  const auto known = vocabulary.find(content);
  const std::int32_t id = known ? *known : next_id++;
  if (entry.get<std::int64_t>("id") != id) {
    throw InputError("{}: the token {} has \"id\" {}, but its text gets the id {}; {}", entry.origin(),
                     excerpt(content), entry.get<std::int64_t>("id"), id, kTokenizerRemedy);
  }
  const AddedToken token{id, entry.get<bool>("single_word"), entry.get<bool>("lstrip"), entry.get<bool>("rstrip")};
  std::string text = content;
  const bool normalized = entry.get<bool>("normalized");
  if (normalized && normalizer) normalizer->apply(text, effort);
  effort.add_rewritten(text.size());
  const bool added = !text.empty() && (normalized ? normalized_ : raw_).add(text, token);
  if (!added || !ids_.emplace(content, id).second) {
    throw InputError("{}: the token {} equals another token after normalisation, or is empty; {}", entry.origin(),
                     excerpt(content), kTokenizerRemedy);
  }
}

}  // namespace logitfield::io
