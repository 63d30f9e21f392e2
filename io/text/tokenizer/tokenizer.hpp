#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace logitfield::io {

class Effort;
struct TokenizerFile;

/// The tokenizer of a Hugging Face model folder, read from tokenizer.json, or of a GGUF file. Turns text into the ids
/// that the library `tokenizers` gives. Only one thread may use it at a time.
class Tokenizer {
 public:
  /// Reads tokenizer.json. Reads tokenizer_config.json and config.json too, if they exist, for the token before a text.
  /// Throws InputError naming the file, the key and its value if tokenizer.json:
  /// - is missing, malformed or contradicts itself;
  /// - has a part that is not implemented: any model but BPE, dropout, unknown normalizers, pre-tokenizers,
  ///   post-processors, regular expressions and keys.
  /// A GGUF file is refused for the same reasons, and for those of read_gguf_tokenizer (tokenizer_file.hpp).
  explicit Tokenizer(const std::filesystem::path& model);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  const std::filesystem::path& path() const { return path_; }
  /// Returns the XXH3 of tokenizer.json, or of the corresponding content of the GGUF file.
  std::uint64_t hash() const { return hash_; }

  /// Returns the ids of `text` alone (add_special_tokens=False). Added tokens written out in the text are recognised,
  /// as the tokenizer does. Throws InputError for text that is not valid UTF-8 or exceeds 1 GiB. Also throws if the
  /// tokenizer takes too long or makes the text far longer, which only faulty tokenizers do.
  std::vector<std::int32_t> encode(std::string_view text);

  /// Returns the texts of tokens as the vocabulary writes them (byte-level tokens in visible characters); empty for ids
  /// that are not tokens.
  std::vector<std::string> pieces(std::span<const std::int32_t> ids) const;

  /// Returns the token that goes before a text: the post-processor's, else bos_token of tokenizer_config.json, else
  /// bos_token_id of config.json; empty if there is none.
  std::optional<std::int32_t> bos() const { return bos_; }
  /// Tells whether the tokenizer adds bos() by itself: as add_bos_token of tokenizer_config.json says, else as the
  /// post-processor does.
  bool adds_bos() const { return adds_bos_; }

 private:
  struct Parts;

  explicit Tokenizer(const TokenizerFile& source);
  void find_bos(const TokenizerFile& source, const std::vector<std::int32_t>& prefix);
  std::optional<std::int32_t> configured_bos(const TokenizerFile& source) const;
  void encode_raw(std::string_view text, bool begins_document, Effort& effort, std::vector<std::int32_t>& ids);
  void encode_normalized(std::string_view text, bool begins_document, Effort& effort, std::vector<std::int32_t>& ids);

  std::filesystem::path path_;
  std::uint64_t hash_ = 0;
  std::unique_ptr<Parts> parts_;
  std::optional<std::int32_t> bos_;
  bool adds_bos_ = false;
};

}  // namespace logitfield::io
