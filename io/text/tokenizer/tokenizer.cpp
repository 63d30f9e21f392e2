#include "io/text/tokenizer/tokenizer.hpp"

#include <unordered_map>

#include "io/error.hpp"
#include "io/gguf/gguf_file.hpp"
#include "io/text/tokenizer/added_tokens.hpp"
#include "io/text/tokenizer/bpe.hpp"
#include "io/text/tokenizer/effort.hpp"
#include "io/text/tokenizer/post_processor.hpp"
#include "io/text/tokenizer/pre_tokenizer.hpp"
#include "io/text/tokenizer/tokenizer_file.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

/// The most bytes of JSON of a part that is a handful of steps; the longest known has 4 kB.
constexpr std::size_t kLongestPart = std::size_t{64} << 10;

/// Refuses parts with so many steps, or such long strings, that they would take too long.
void check_length(const Section& file) {
  for (const char* key : {"normalizer", "pre_tokenizer", "post_processor"}) {
    if (file.has(key) && file.at(key).dump().size() > kLongestPart) {
      throw InputError("{}: \"{}\" is longer than {} bytes; {}", file.origin(), key, kLongestPart, kTokenizerRemedy);
    }
  }
}

/// Refuses files that rewrite text and depend on its beginning: it is then unknown which characters came from the
/// beginning.
void check_beginning(const Section& file) {
  const auto normalizer = file.section("normalizer"), pre_tokenizer = file.section("pre_tokenizer");
  if (!normalizer || !pre_tokenizer || !depends_on_beginning(*pre_tokenizer)) return;
  if (normalizer->type() == "Sequence" && normalizer->sections("normalizers").empty()) return;
  throw InputError(
      "{}: \"prepend_scheme\" is \"first\" in a file with a \"normalizer\", a combination that is not implemented; {}",
      file.origin(), kTokenizerRemedy);
}

}  // namespace

/// The parts that tokenizer.json describes, in the order of use.
struct Tokenizer::Parts {
  explicit Parts(const Section& file)
      : normalizer(read_optional(file, "normalizer", read_normalizer)),
        pre_tokenizer(read_optional(file, "pre_tokenizer", read_pre_tokenizer)),
        model(Section(file.at("model"), file.origin() + ": model")),
        added(file, model.vocabulary(), normalizer.get()) {}

  template <class T>
  static std::unique_ptr<T> read_optional(const Section& file, const char* key,
                                          std::unique_ptr<T> (*read)(const Section&)) {
    const auto section = file.section(key);
    return section ? read(*section) : nullptr;
  }

  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  Bpe model;
  AddedTokens added;

  // These members only reuse their memory.
  std::vector<TextPart> raw_parts, normalized_parts;
  std::string normalized;
  Pieces pieces;
};

Tokenizer::Tokenizer(const std::filesystem::path& model)
    : Tokenizer(is_gguf_name(model) ? read_gguf_tokenizer(model) : read_tokenizer_folder(model)) {}

Tokenizer::Tokenizer(const TokenizerFile& source) : path_(source.path), hash_(source.hash) {
  const Section file(source.content, path_.string());
  // Not used here: rules that cut and pad a list of texts to one length, and that turn ids back into text.
  file.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
              "decoder", "model"});
  if (file.get_or<std::string>("version", "1.0") != "1.0") file.refuse("version");
  check_length(file);
  check_beginning(file);
  parts_ = std::make_unique<Parts>(file);
  const auto post_processor = file.section("post_processor");
  find_bos(source, post_processor ? read_prefix(*post_processor) : std::vector<std::int32_t>{});
}

Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

void Tokenizer::find_bos(const TokenizerFile& source, const std::vector<std::int32_t>& prefix) {
  if (prefix.size() > 1) {
    throw InputError("{}: the post-processor puts {} tokens before a text, which is not implemented; {}",
                     path_.string(), prefix.size(), kTokenizerRemedy);
  }
  bos_ = prefix.empty() ? configured_bos(source) : std::optional(prefix.front());
  const std::string origin = (path_.parent_path() / "tokenizer_config.json").string();
  adds_bos_ = optional_or(source.tokenizer_config, "add_bos_token", !prefix.empty(), origin) && bos_;
}

std::optional<std::int32_t> Tokenizer::configured_bos(const TokenizerFile& source) const {
  const json& config = source.tokenizer_config;
  if (const auto found = config.find("bos_token"); found != config.end() && !found->is_null()) {
    const std::string origin = (path_.parent_path() / "tokenizer_config.json").string();
    // Either the token alone, or an object that also says how it is found.
    const auto text = found->is_object() ? required<std::string>(*found, "content", origin)
                                         : required<std::string>(config, "bos_token", origin);
    auto id = parts_->added.find(text);
    if (!id) id = parts_->model.vocabulary().find(text);
    if (id) return id;
    throw InputError("{}: \"bos_token\" {} is not a token of {}; correct it", origin, excerpt(text), path_.string());
  }
  const auto found = source.config.find("bos_token_id");
  const auto id = found == source.config.end() ? std::nullopt : as_integer(*found);
  return id ? std::optional(static_cast<std::int32_t>(*id)) : std::nullopt;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) {
  if (const auto invalid = first_invalid_utf8(text)) {
    throw InputError("a text for {} is not valid UTF-8 at byte {}; convert it", path_.string(), *invalid);
  }
  if (text.size() > Effort::kLargestText) {
    throw InputError("a text for {} has {} bytes, more than {}; split it", path_.string(), text.size(),
                     Effort::kLargestText);
  }
  std::vector<std::int32_t> ids;
  Effort effort(text.size(), path_.string());
  parts_->added.in_raw_text().split(text, parts_->raw_parts, effort);
  for (const TextPart& part : parts_->raw_parts) {
    if (part.id != TextPart::kText) {
      ids.push_back(part.id);
    } else {
      encode_raw(text.substr(part.span.begin, part.span.size()), part.span.begin == 0, effort, ids);
    }
  }
  return ids;
}

/// Encodes text between the added tokens that are found in the raw text.
void Tokenizer::encode_raw(std::string_view text, bool begins_document, Effort& effort,
                           std::vector<std::int32_t>& ids) {
  std::string& normalized = parts_->normalized;
  normalized = text;
  if (parts_->normalizer) parts_->normalizer->apply(normalized, effort);
  effort.add_rewritten(normalized.size());
  parts_->added.in_normalized_text().split(normalized, parts_->normalized_parts, effort);
  for (const TextPart& part : parts_->normalized_parts) {
    if (part.id != TextPart::kText) {
      ids.push_back(part.id);
    } else {
      const std::string_view between = std::string_view(normalized).substr(part.span.begin, part.span.size());
      encode_normalized(between, begins_document && part.span.begin == 0, effort, ids);
    }
  }
}

void Tokenizer::encode_normalized(std::string_view text, bool begins_document, Effort& effort,
                                  std::vector<std::int32_t>& ids) {
  if (!parts_->pre_tokenizer) return parts_->model.encode(text, ids);
  Pieces& pieces = parts_->pieces;
  pieces.text = text;
  pieces.spans.assign(1, {0, static_cast<std::uint32_t>(text.size())});
  pieces.begins_document = begins_document;
  parts_->pre_tokenizer->apply(pieces, effort);
  effort.add_rewritten(pieces.text.size());
  for (const Span& span : pieces.spans) {
    parts_->model.encode(std::string_view(pieces.text).substr(span.begin, span.size()), ids);
  }
}

std::vector<std::string> Tokenizer::pieces(std::span<const std::int32_t> ids) const {
  std::unordered_map<std::int32_t, std::string_view> texts;
  parts_->model.vocabulary().for_each([&](std::string_view text, std::int32_t id) { texts.emplace(id, text); });
  parts_->added.for_each([&](std::string_view text, std::int32_t id) { texts.emplace(id, text); });
  std::vector<std::string> out;
  for (const std::int32_t id : ids) out.emplace_back(texts[id]);
  return out;
}

}  // namespace logitfield::io
