#include "pipeline/job/texts.hpp"

#include <algorithm>
#include <limits>

#include "io/error.hpp"
#include "io/hash.hpp"
#include "io/text/documents.hpp"
#include "io/text/tokenizer/tokenizer.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/mpi/memory_for.hpp"

namespace logitfield {
namespace {

std::optional<std::int32_t> token_in_front(const Options& options, const io::Tokenizer& tokenizer) {
  if (options.bos == BosChoice::no || (options.bos == BosChoice::automatic && !tokenizer.adds_bos()))
    return std::nullopt;
  if (tokenizer.bos()) return tokenizer.bos();
  throw InputError(
      "--bos yes: neither {} nor the tokenizer_config.json or config.json beside it names a BOS token; give --bos no",
      tokenizer.path().string());
}

void check_ids(const Options& options, const io::Tokenizer& tokenizer, const io::TokenText& text,
               const std::string& place, std::int64_t vocab_size) {
  const auto bad = std::find_if(text.tokens.begin(), text.tokens.end(), [&](auto id) { return id >= vocab_size; });
  if (bad == text.tokens.end()) return;
  const auto config = std::filesystem::is_directory(options.model) ? options.model / "config.json" : options.model;
  throw InputError("{}: token {} gets the id {} from {}, but {} has \"vocab_size\" {}; use the model's own tokenizer",
                   place, bad - text.tokens.begin(), *bad, tokenizer.path().string(), config.string(), vocab_size);
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

io::Tokenizer open_tokenizer(const std::filesystem::path& model) {
  const Activity reading("reading the tokenizer of " + model.string());
  return mpi::memory_for([&] { return io::Tokenizer(model); }, "the tokenizer of {}", model.string());
}

void add_documents(const Options& options, io::Tokenizer& tokenizer, std::int64_t vocab_size, Texts& out) {
  const auto bos = token_in_front(options, tokenizer);
  out.tokenization = {tokenizer.path(), tokenizer.hash(), bos, options.start};
  for (const auto& path : options.text) {
    const Activity reading("reading and tokenising " + path.string());
    const std::vector<io::Document> documents =
        mpi::memory_for([&] { return io::read_documents(path); }, "the text of {}", path.string());
    for (const io::Document& document : documents) {
      out.texts.push_back(mpi::memory_for([&] { return tokenize(options, tokenizer, bos, document); },
                                          "the tokens of {}", document.place));
      const io::TokenText& text = out.texts.back();
      check_ids(options, tokenizer, text, document.place, vocab_size);
      if (bos && text.tokens.size() > 1 && text.tokens[1] == *bos) {
        out.notices.push_back(
            fmt::format("{}: begins with the model's first token itself, which now stands there twice; give --bos no",
                        document.place));
      }
    }
  }
}

void leave_out_short(const std::vector<std::int64_t>& contexts, Texts& out) {
  if (contexts.empty()) throw InputError("--skip-short needs --contexts, which say how long a text must be");
  const auto longest = static_cast<std::size_t>(std::ranges::max(contexts));
  const std::size_t all = out.texts.size();
  const std::size_t removed = std::erase_if(out.texts, [=](const auto& text) { return text.tokens.size() < longest; });
  if (out.texts.empty()) {
    throw InputError("--skip-short leaves none of {} texts: all are shorter than {} tokens; use shorter --contexts",
                     all, longest);
  }
  if (removed > 0) {
    out.notices.push_back(fmt::format("{} of {} texts are left out, shorter than {} tokens", removed, all, longest));
  }
}

}  // namespace

TextPieces read_pieces(const Options& options) {
  io::Tokenizer tokenizer = open_tokenizer(options.model);
  TextPieces out;
  add_documents(options, tokenizer, std::numeric_limits<std::int64_t>::max(), out);
  for (const io::TokenText& text : out.texts) out.pieces.push_back(tokenizer.pieces(text.tokens));
  return out;
}

Texts read_texts(const Options& options, std::int64_t vocab_size) {
  Texts out;
  const auto raw = io::integer_kind(options.token_dtype);
  for (const auto& path : options.tokens) {
    if (path.extension() == ".bin" && !raw) {
      throw InputError("{}: the type of its token ids is unknown; give --token-dtype", path.string());
    }
    const Activity reading("reading " + path.string());
    out.texts.push_back(io::read_tokens(path, vocab_size, raw));
  }
  if (!options.text.empty()) {
    io::Tokenizer tokenizer = open_tokenizer(options.model);
    add_documents(options, tokenizer, vocab_size, out);
  }
  if (options.skip_short) leave_out_short(options.contexts, out);
  return out;
}

}  // namespace logitfield
