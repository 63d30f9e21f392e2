#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/text/tokens.hpp"
#include "pipeline/job/options.hpp"

namespace logitfield {

/// How --text became tokens.
struct Tokenization {
  std::filesystem::path tokenizer;
  std::uint64_t tokenizer_hash = 0;
  /// The token put before every text, if any.
  std::optional<std::int32_t> bos;
  /// Number of tokens left out at the beginning of every text.
  std::int64_t start = 0;
};

/// The texts of a run on a model, in the order of --tokens, then --text.
struct Texts {
  std::vector<io::TokenText> texts;
  /// Set only with --text.
  std::optional<Tokenization> tokenization;
  /// Notices about the texts, for people: one sentence each.
  std::vector<std::string> notices;
};

/// Texts with the pieces of their tokens, as the vocabulary writes them, by text and token.
struct TextPieces : Texts {
  std::vector<std::vector<std::string>> pieces;
};

/// Reads --text through the model's own tokenizer; needs no other part of the model. Throws InputError as read_texts
/// does.
TextPieces read_pieces(const Options& options);

/// Reads token files, and texts through the model's own tokenizer. Throws InputError for everything that read_tokens,
/// read_documents and Tokenizer refuse; for --bos yes if the model has no BOS token; for a text of which --start leaves
/// nothing; for ids outside the model's vocabulary, naming tokenizer and model; and for --skip-short that leaves none.
Texts read_texts(const Options& options, std::int64_t vocab_size);

}  // namespace logitfield
