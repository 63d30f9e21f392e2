#include "pipeline/job/texts.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "io/hash.hpp"
#include "io/text/documents.hpp"
#include "io/text/tokenizer/tokenizer.hpp"

namespace logitfield {
namespace {

std::optional<std::int32_t> token_in_front(const Options& options, const io::Tokenizer& tokenizer) {
  if (options.bos == "no" || (options.bos == "auto" && !tokenizer.adds_bos())) return std::nullopt;
  if (tokenizer.bos()) return tokenizer.bos();
  throw InputError(
      "--bos yes: neither {} nor tokenizer_config.json nor config.json beside it names such a token; give --bos no",
      tokenizer.path().string());
}

void check_ids(const Options& options, const io::Tokenizer& tokenizer, const io::TokenText& text,
               const std::string& place, std::int64_t vocab_size) {
  const auto bad = std::find_if(text.tokens.begin(), text.tokens.end(), [&](auto id) { return id >= vocab_size; });
  if (bad == text.tokens.end()) return;
  throw InputError("{}: token {} has the id {} by {}, but {} has the \"vocab_size\" {}; use the model's own tokenizer",
                   place, bad - text.tokens.begin(), *bad, tokenizer.path().string(),
                   (options.model / "config.json").string(), vocab_size);
}

/// The BOS token, if any, then at most --num-tokens tokens in all, from --start on.
io::TokenText tokenize(const Options& options, io::Tokenizer& tokenizer, std::optional<std::int32_t> bos,
                       const io::Document& document) {
  const std::vector<std::int32_t> ids = tokenizer.encode(document.text);
  const auto count = static_cast<std::int64_t>(ids.size());
  if (options.start >= count) {
    throw InputError("{}: --start {} leaves nothing of its {} tokens; start earlier", document.place, options.start,
                     count);
  }
  io::TokenText text{document.name, {}, io::hash_bytes(std::as_bytes(std::span(document.text)))};
  if (bos) text.tokens.push_back(*bos);
  text.tokens.insert(text.tokens.end(), ids.begin() + options.start, ids.end());
  const auto most = static_cast<std::size_t>(options.num_tokens);
  if (most > 0 && text.tokens.size() > most) text.tokens.resize(most);
  return text;
}

}  // namespace

Texts read_texts(const Options& options, std::int64_t vocab_size) {
  Texts out;
  for (const auto& path : options.tokens) out.texts.push_back(io::read_tokens(path, vocab_size));
  if (options.text.empty()) return out;
  io::Tokenizer tokenizer(options.model);
  const auto bos = token_in_front(options, tokenizer);
  out.tokenization = {tokenizer.path(), tokenizer.hash(), bos, options.start};
  for (const auto& path : options.text) {
    for (const io::Document& document : io::read_documents(path)) {
      out.texts.push_back(tokenize(options, tokenizer, bos, document));
      check_ids(options, tokenizer, out.texts.back(), document.place, vocab_size);
    }
  }
  return out;
}

}  // namespace logitfield
