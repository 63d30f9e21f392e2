#pragma once
#include <string>

namespace logitfield::io {

/// Rewrites a regular expression of tokenizer.json, which is written for Oniguruma with Unicode 16 tables, for PCRE2,
/// so that it matches the same. In PCRE2 the classes of spaces, words and categories contain other characters, classes
/// do not nest, and some escapes and quantifiers differ. Throws InputError naming `origin`, the pattern and the
/// construct if no equivalent is known.
std::string to_pcre2(const std::string& pattern, const std::string& origin);

}  // namespace logitfield::io
