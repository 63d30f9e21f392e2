#include "io/text/tokenizer/oniguruma.hpp"

#include <gtest/gtest.h>

#include "io/text/tokenizer/regex.hpp"
#include "tests/io/refusal.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using Texts = std::vector<std::string>;

Texts matches(const std::string& pattern, const std::string& text) {
  std::vector<Span> found;
  Effort effort(text.size(), "test");
  Regex(pattern, "test").find_all(text, found, effort);
  Texts out;
  for (const Span& span : found) out.push_back(text.substr(span.begin, span.size()));
  return out;
}

TEST(Oniguruma, SpacesAreThoseOfUnicode) {
  EXPECT_EQ(matches("\\s", "\xE1\xA0\x8E\xC2\x85\xC2\xA0x"), (Texts{"\xC2\x85", "\xC2\xA0"})) << "U+180E is none";
  EXPECT_EQ(matches("\\S+", "a\xE1\xA0\x8E b"), (Texts{"a\xE1\xA0\x8E", "b"}));
  EXPECT_EQ(matches("[^\\S\\n]+", "a \n\t"), (Texts{" ", "\t"}));
  EXPECT_EQ(matches("[\\Sx]+", "a \xE3\x80\x80z"), (Texts{"a", "z"}));
}

TEST(Oniguruma, WordsHaveMarksAndLetterNumbers) {
  EXPECT_EQ(matches("\\w+", "a\xCC\x81_1\xC2\xB2 \xE2\x85\xA7"), (Texts{"a\xCC\x81_1\xC2\xB2", "\xE2\x85\xA7"}));
  EXPECT_EQ(matches("\\W", "a-\xC2\xB2"), (Texts{"-"}));
  EXPECT_EQ(matches("[^\\w]", "a-\xC2\xB2"), (Texts{"-", "\xC2\xB2"})) << "inside a class U+B2 is none";
  EXPECT_EQ(matches("\\h+", "0aFg"), (Texts{"0aF"}));
}

TEST(Oniguruma, NewLettersAreLetters) {
  EXPECT_EQ(matches("\\p{L}+", "\xF0\xB1\x8D\x90"), (Texts{"\xF0\xB1\x8D\x90"})) << "U+31350, Unicode 15";
  EXPECT_EQ(matches("\\p{N}", "\xF0\x9C\xB3\xB5"), (Texts{"\xF0\x9C\xB3\xB5"})) << "U+1CCF5, Unicode 16";
  EXPECT_TRUE(matches("[^\\p{L}]|\\P{L}|\\p{^L}", "\xF0\xB1\x8D\x90").empty());
}

TEST(Oniguruma, ClassesNest) {
  EXPECT_EQ(matches("[^(\\s|[.,])]+", "a.b,c (d) e|f"), (Texts{"a", "b", "c", "d", "e", "f"}));
  EXPECT_EQ(matches("[a[b-c]-]+", "ab-cd"), (Texts{"ab-c"}));
}

TEST(Oniguruma, QuantifiersOfItsOwn) {
  EXPECT_EQ(matches("a{1,2}+", "aaaaa"), (Texts{"aaaaa"})) << "repeated, not possessive";
  EXPECT_EQ(matches("ba{,2}", "baaab"), (Texts{"baa", "b"}));
  EXPECT_EQ(matches("a{x}", "a{x}"), (Texts{"a{x}"}));
  EXPECT_EQ(matches("a++b|a", "aac"), (Texts{"a", "a"}));
  EXPECT_EQ(matches("(?:ab){2}+", "ababababab"), (Texts{"abababab"}));
}

TEST(Oniguruma, EscapesOfItsOwn) {
  EXPECT_EQ(matches("[\\u4e00-\\u9fa5]+\\x21\\x{3042}", "\xE4\xB8\xAD!\xE3\x81\x82"),
            (Texts{"\xE4\xB8\xAD!\xE3\x81\x82"}));
  EXPECT_EQ(matches("\\v", "\n\x0B"), (Texts{"\x0B"}));
  EXPECT_EQ(matches("[\\[\\]\\\\\\-]", "[-]\\"), (Texts{"[", "-", "]", "\\"}));
}

TEST(Oniguruma, LinesEndAtLineFeeds) {
  EXPECT_EQ(matches("\\s+$", "a \nb \r"), (Texts{" ", " \r"}));
  EXPECT_EQ(matches("^.",
                    "ab\ncd\r\xE2\x80\xA8"
                    "e"),
            (Texts{"a", "c"}));
}

TEST(Oniguruma, CaseIsIgnoredInsideItsGroup) {
  EXPECT_EQ(matches("(?i:'s|'ll)|x", "'S 'lL '\xC5\xBF X"), (Texts{"'S", "'lL", "'\xC5\xBF"}));
}

TEST(Oniguruma, EmptyMatchesMoveOn) { EXPECT_EQ(matches("a*", "baac"), (Texts{"", "aa", ""})); }

TEST(Oniguruma, WhatMayMatchOtherwiseIsRefused) {
  const std::vector<std::pair<const char*, const char*>> cases{{"(?i)a", "kind of group"},
                                                               {"(?m:a)", "kind of group"},
                                                               {"(?<n>a)", "kind of group"},
                                                               {"\\bword", "escape \\b"},
                                                               {"(a)\\1", "escape \\1"},
                                                               {"\\p{Han}", "property Han"},
                                                               {"\\pL", "property"},
                                                               {"[a&&b]", "intersection"},
                                                               {"[[:alpha:]]", "POSIX"},
                                                               {"[a[^b]]", "complement"},
                                                               {"[\\Wa]", "complement"},
                                                               {"(?i:\\p{Lu})", "property where case"},
                                                               {"(?i:stra)", "ligature"},
                                                               {"(?i:\xC3\xA9)", "beyond ASCII"},
                                                               {"a{2}?", "quantifier of a quantifier"},
                                                               {"a**", "quantifier"},
                                                               {"*a", "quantifier of nothing"},
                                                               {"(a", "does not end"},
                                                               {"a)", "closing bracket"},
                                                               {"[a", "does not end"},
                                                               {"[]a]", "bracket at the beginning"},
                                                               {"\\xZZ", "hexadecimal"},
                                                               {"a\\", "escape"},
                                                               {"[\\d-x]", "range from a set"},
                                                               {"[a-\\d]", "range to a set"},
                                                               {"(?<=a+)b", "cannot be used"}};
  for (const auto& [pattern, named] : cases) {
    EXPECT_TRUE(refuses([&, p = pattern] { Regex(p, "some.json"); }, {"some.json", named, "token ids"})) << pattern;
  }
}

}  // namespace
}  // namespace logitfield::io
