#include "io/text/tokenizer/score_merges.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "io/error.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

/// A token made of two others; its score and their lengths, in characters, give its rank.
struct ScoredMerge {
  double score;
  std::size_t left_length, right_length;
  std::string_view left, right;

  auto rank() const { return std::tuple(score, left_length, right_length); }
};

/// Gemma's 262,144 tokens give 580,000 merges, of 5 MB in all.
constexpr std::size_t kMostBytes = std::size_t{128} << 20;

using TokenIds = std::unordered_map<std::string_view, std::size_t>;

/// Appends the ways to cut `token` into two tokens, in the order of their ids.
void append_cuts(std::string_view token, double score, const TokenIds& ids, std::vector<ScoredMerge>& merges) {
  const std::size_t length = count_code_points(token);
  const auto first = static_cast<std::ptrdiff_t>(merges.size());
  std::size_t left_length = 0;
  for (std::size_t cut = 0; cut < token.size();) {
    cut += code_point_at(token, cut).size;
    if (cut == token.size()) break;
    ++left_length;
    const std::string_view left = token.substr(0, cut), right = token.substr(cut);
    if (ids.contains(left) && ids.contains(right)) {
      merges.push_back({score, left_length, length - left_length, left, right});
    }
  }
  const auto place = [&](const ScoredMerge& merge) { return std::pair(ids.at(merge.left), ids.at(merge.right)); };
  std::sort(merges.begin() + first, merges.end(),
            [&](const ScoredMerge& a, const ScoredMerge& b) { return place(a) < place(b); });
}

}  // namespace

nlohmann::json merges_by_score(std::span<const std::string> tokens, std::span<const double> scores,
                               const std::string& origin) {
  TokenIds ids;
  for (std::size_t id = 0; id < tokens.size(); ++id) ids[tokens[id]] = id;
  std::vector<ScoredMerge> merges;
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::size_t before = merges.size();
    append_cuts(tokens[id], scores[id], ids, merges);
    bytes += (merges.size() - before) * (tokens[id].size() + sizeof(ScoredMerge));
    if (bytes <= kMostBytes) continue;
    throw InputError("{}: the tokens can be split into others in more than {} ways; use a model with another tokenizer",
                     origin, merges.size());
  }
  std::ranges::stable_sort(merges, [](const ScoredMerge& a, const ScoredMerge& b) { return a.rank() > b.rank(); });
  nlohmann::json out = nlohmann::json::array();
  for (const ScoredMerge& merge : merges) out.push_back({std::string(merge.left), std::string(merge.right)});
  return out;
}

}  // namespace logitfield::io
