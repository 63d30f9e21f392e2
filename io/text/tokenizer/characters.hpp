#pragma once
#include <string>

// Classes of characters. Tokenizers were trained with the tables of particular Unicode versions; each function names
// the version that it follows.
namespace logitfield::io {

/// Property White_Space: the same 25 characters in every Unicode version since 6.3.
bool is_space(char32_t code);
/// General category N of Unicode 17.
bool is_numeric(char32_t code);
/// ASCII punctuation (symbols such as $ and + included) and general category P of Unicode 8.
bool is_punctuation(char32_t code);
/// Tells whether a character next to an added token counts as part of a word: Alphabetic, marks, decimal digits,
/// connectors, joiners.
bool is_word(char32_t code);
/// General category M of Unicode 9.
bool is_combining_mark(char32_t code);

/// Appends the full lower case of `code`, without context (Unicode 17), to `text`.
void append_lower_case(std::string& text, char32_t code);

/// Unicode's normal forms.
enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// Returns `text` (valid UTF-8) in a normal form of Unicode 9. Characters newer than that stay unchanged and end a
/// combining sequence.
std::string normalized(const std::string& text, NormalForm form);

}  // namespace logitfield::io
