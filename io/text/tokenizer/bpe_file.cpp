// Reads the model of tokenizer.json.
#include <limits>

#include "io/error.hpp"
#include "io/text/tokenizer/bpe.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::size_t kBasicPlane = 0x10000;
constexpr std::int64_t kLargestId = std::numeric_limits<std::int32_t>::max();
constexpr const char* kDamaged = "the file is damaged: copy it again";

void check_kind(const Section& section) {
  // Files from before about version 0.8 give no type; a model with merges is BPE.
  const auto type = section.get_or<std::string>("type", "BPE");
  if (type != "BPE") section.refuse("type");
  section.allow({"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
                 "ignore_merges", "vocab", "merges"});
  if (section.has("dropout") && section.get<double>("dropout") != 0) section.refuse("dropout");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!section.get_or<std::string>(key, "").empty()) section.refuse(key);
  }
}

/// Returns the only character of a token; nothing if it has none or several.
std::optional<char32_t> only_character(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const CodePoint first = code_point_at(text, 0);
  return first.size == text.size() ? std::optional(first.value) : std::nullopt;
}

}  // namespace

Bpe::Bpe(const Section& section) : origin_(section.origin()) {
  check_kind(section);
  ignore_merges_ = section.get_or("ignore_merges", false);
  byte_fallback_ = section.get_or("byte_fallback", false);
  fuse_unknown_ = section.get_or("fuse_unk", false);
  unknown_ = section.get_or<std::string>("unk_token", "");
  read_vocabulary(section);
  unknown_id_ = vocabulary_.find(unknown_);
  list_characters();
  list_bytes();
  read_merges(section);
}

void Bpe::read_vocabulary(const Section& section) {
  const json& list = section.at("vocab");
  if (!list.is_object()) {
    throw InputError("{}: \"vocab\" must be an object of ids, not {}; {}", origin_, excerpt(list), kDamaged);
  }
  vocabulary_ = Vocabulary(list.size());
  for (const auto& [text, value] : list.items()) {
    const std::int64_t id = as_integer(value).value_or(-1);
    if (id < 0 || id > kLargestId) {
      throw InputError("{}: token {} has the id {}, not an integer in 0 ... {}; {}", origin_, excerpt(text),
                       excerpt(value), kLargestId, kDamaged);
    }
    vocabulary_.add(text, static_cast<std::int32_t>(id));
  }
  if (vocabulary_.size() == 0) throw InputError("{}: \"vocab\" is empty; {}", origin_, kDamaged);
}

void Bpe::list_characters() {
  basic_characters_.assign(kBasicPlane, -1);
  vocabulary_.for_each([this](std::string_view text, std::int32_t id) {
    const auto code = only_character(text);
    if (!code) return;
    if (*code < kBasicPlane) {
      basic_characters_[*code] = id;
    } else {
      other_characters_.emplace(*code, id);
    }
  });
}

void Bpe::list_bytes() {
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    bytes_[byte] = vocabulary_.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
}

/// Older files write merges as "left right", newer ones as ["left", "right"].
void Bpe::read_merges(const Section& section) {
  const json& list = section.at("merges");
  if (!list.is_array()) {
    throw InputError("{}: \"merges\" must be a list, not {}; {}", origin_, excerpt(list), kDamaged);
  }
  merges_ = Merges(list.size());
  joints_ = PairMap<char>(list.size());
  std::uint32_t rank = 0;
  for (const json& entry : list) {
    const auto index = static_cast<std::size_t>(&entry - &list.front());
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      add_merge(entry[0].get_ref<const std::string&>(), entry[1].get_ref<const std::string&>(), rank++, index);
      continue;
    }
    const std::string text = entry.is_string() ? entry.get<std::string>() : "";
    if (text.starts_with("#version")) continue;  // first line of a merges.txt
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      throw InputError("{}: merge {} is {}, not two tokens; {}", origin_, index, excerpt(entry), kDamaged);
    }
    add_merge(text.substr(0, space), text.substr(space + 1), rank++, index);
  }
}

void Bpe::add_merge(const std::string& left, const std::string& right, std::uint32_t rank, std::size_t index) {
  const auto id_of = [&](const std::string& text) {
    const auto id = vocabulary_.find(text);
    if (!id) throw InputError("{}: merge {}: {} is not in the vocabulary; {}", origin_, index, excerpt(text), kDamaged);
    return *id;
  };
  const std::int32_t left_id = id_of(left), right_id = id_of(right);
  merges_.set(left_id, right_id, {rank, id_of(left + right)});
  // In a text, the symbols on both sides of this merge are made of characters. The exception is a token that is not a
  // character but can occur in a text by itself.
  const auto is_symbol = [&](const std::string& text) {
    return text == unknown_ || (byte_fallback_ && text.starts_with("<0x"));
  };
  if (left.empty() || right.empty() || is_symbol(left) || is_symbol(right)) {
    can_cut_ = false;
    return;
  }
  const std::int32_t before = character_id(code_point_before(left, left.size()).value);
  const std::int32_t after = character_id(code_point_at(right, 0).value);
  if (before >= 0 && after >= 0) joints_.set(before, after, 1);
}

}  // namespace logitfield::io
