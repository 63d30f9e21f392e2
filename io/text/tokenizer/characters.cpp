#include "io/text/tokenizer/characters.hpp"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <stdexcept>

#include "io/text/tokenizer/new_characters.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

bool has_category(char32_t code, std::uint32_t mask) { return (U_GET_GC_MASK(static_cast<UChar32>(code)) & mask) != 0; }

bool is_as_old_as(char32_t code, int unicode_version) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(code), age);
  return age[0] > 0 && age[0] <= unicode_version;
}

bool lies_in(char32_t code, char32_t first, char32_t last) { return first <= code && code <= last; }

/// Whether it is one of the new characters, of a general category that begins with one of `initials`.
bool is_new(char32_t code, std::string_view initials) {
  if (!has_category(code, U_GC_CN_MASK)) return false;  // ICU knows it already
  return std::any_of(kNewCharacters.begin(), kNewCharacters.end(), [&](const CategoryRange& range) {
    return lies_in(code, range.first, range.last) && initials.find(range.category[0]) != std::string_view::npos;
  });
}

/// Lower case of letters for which Unicode 16 and 17 added it: new letters, and old ones that got a new partner.
char32_t new_lower_case(char32_t code) {
  switch (code) {
    case 0xA7CB:
      return 0x264;
    case 0xA7DC:
      return 0x19B;
    case 0x1C89:
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA:
      return code + 1;
    default:
      break;
  }
  if (lies_in(code, 0x10D50, 0x10D65)) return code + 0x20;
  if (lies_in(code, 0x16EA0, 0x16EB8)) return code + 0x1B;
  return code;
}

void check(UErrorCode status) {
  if (U_FAILURE(status)) throw std::runtime_error(std::string("ICU: ") + u_errorName(status));
}

const icu::Normalizer2* instance(NormalForm form, UErrorCode& status) {
  switch (form) {
    case NormalForm::nfc:
      return icu::Normalizer2::getNFCInstance(status);
    case NormalForm::nfd:
      return icu::Normalizer2::getNFDInstance(status);
    case NormalForm::nfkc:
      return icu::Normalizer2::getNFKCInstance(status);
    case NormalForm::nfkd:
      break;
  }
  return icu::Normalizer2::getNFKDInstance(status);
}

/// Built once, because building the set takes milliseconds.
const icu::UnicodeSet& characters_of_unicode_9() {
  static const icu::UnicodeSet set = [] {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeSet made(UNICODE_STRING_SIMPLE("[:age=9.0:]"), status);
    check(status);
    made.freeze();
    return made;
  }();
  return set;
}

}  // namespace

bool is_space(char32_t code) {
  return lies_in(code, 0x9, 0xD) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         lies_in(code, 0x2000, 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

bool is_numeric(char32_t code) {
  if (code < 0x80) return lies_in(code, '0', '9');
  return has_category(code, U_GC_N_MASK) || is_new(code, "N") || lies_in(code, 0x11DE0, 0x11DE9) ||
         lies_in(code, 0x16FF4, 0x16FF6);
}

bool is_punctuation(char32_t code) {
  if (code < 0x80) return code > ' ' && code < 0x7F && !has_category(code, U_GC_L_MASK | U_GC_N_MASK);
  // Two characters have left the category since then.
  return (has_category(code, U_GC_P_MASK) && is_as_old_as(code, 8)) || code == 0x166D || code == 0x111C9;
}

bool is_word(char32_t code) {
  return u_hasBinaryProperty(static_cast<UChar32>(code), UCHAR_ALPHABETIC) ||
         has_category(code, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) || code == 0x200C || code == 0x200D ||
         is_new(code, "LMN");
}

bool is_combining_mark(char32_t code) {
  if (code == 0x111C9) return false;  // a mark since Unicode 11
  return (has_category(code, U_GC_M_MASK) && is_as_old_as(code, 9)) || code == 0x1CF2 || code == 0x1CF3;
}

void append_lower_case(std::string& text, char32_t code) {
  constexpr char32_t kDottedI = 0x130, kDotAbove = 0x307;
  if (code == kDottedI) {  // the only character with a lower case of two characters
    text += 'i';
    append_utf8(text, kDotAbove);
    return;
  }
  const char32_t young = new_lower_case(code);
  append_utf8(text, young != code ? young : static_cast<char32_t>(u_tolower(static_cast<UChar32>(code))));
}

std::string normalized(const std::string& text, NormalForm form) {
  if (is_ascii(text)) return text;
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* newest = instance(form, status);
  check(status);
  const icu::FilteredNormalizer2 normalizer(*newest, characters_of_unicode_9());
  std::string out;
  out.reserve(text.size());
  icu::StringByteSink<std::string> sink(&out);
  normalizer.normalizeUTF8(0, text, sink, nullptr, status);
  check(status);
  return out;
}

}  // namespace logitfield::io
