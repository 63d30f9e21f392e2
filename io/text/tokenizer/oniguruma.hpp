#pragma once
#include <string>

namespace logitfield::io {

/// Rewrites a regular expression of tokenizer.json, which is written for Oniguruma with Unicode 16 tables, as one for
/// PCRE2 that matches the same: the classes of spaces, words and categories mean other sets there, classes do not nest,
/// and some escapes and quantifiers differ. Throws InputError naming `origin`, the pattern and the construct for what
/// is not known to match the same.
std::string to_pcre2(const std::string& pattern, const std::string& origin);

}  // namespace logitfield::io
