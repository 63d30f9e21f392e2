#pragma once
#include <string>

// Which characters count as what. Tokenizers were trained with the tables of particular Unicode versions; each function
// says which it follows.
namespace logitfield::io {

/// White_Space; the same 25 characters in every Unicode version since 6.3.
bool is_space(char32_t code);
/// General category N of Unicode 17.
bool is_numeric(char32_t code);
/// ASCII punctuation (symbols such as $ and + included) and general category P of Unicode 8.
bool is_punctuation(char32_t code);
/// What counts as part of a word beside an added token: Alphabetic, marks, decimal digits, connectors, joiners.
bool is_word(char32_t code);
/// General category M of Unicode 9.
bool is_combining_mark(char32_t code);

/// The full lower case without context (Unicode 17), appended to `text`.
void append_lower_case(std::string& text, char32_t code);

/// Unicode's normal forms.
enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// `text` (valid UTF-8) in a normal form of Unicode 9; younger characters stay as they are and end a combining
/// sequence.
std::string normalized(const std::string& text, NormalForm form);

}  // namespace logitfield::io
