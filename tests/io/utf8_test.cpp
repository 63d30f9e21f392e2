#include "io/utf8.hpp"

#include <gtest/gtest.h>

#include "io/text/tokenizer/characters.hpp"

namespace logitfield::io {
namespace {

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t code = 0; code < 0x110000; code = code == 0xD7FF ? 0xE000 : code + 1) {
    std::string text;
    append_utf8(text, code);
    ASSERT_EQ(code_point_at(text, 0).value, code);
    ASSERT_EQ(code_point_at(text, 0).size, text.size());
    ASSERT_EQ(code_point_before("x" + text, text.size() + 1).value, code);
    ASSERT_FALSE(first_invalid_utf8(text)) << std::uint32_t{code};
    ASSERT_EQ(is_ascii(text), code < 0x80);
  }
}

TEST(Utf8, InvalidBytesAreFoundWhereTheyStand) {
  const std::string ascii(20, 'a');
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xE2\x28\xA1"}) {
    EXPECT_EQ(first_invalid_utf8(ascii + bad), ascii.size()) << bad;
    EXPECT_EQ(first_invalid_utf8(bad + ascii), 0u) << bad;
    EXPECT_EQ(first_invalid_utf8("\xC3\xA9" + std::string(bad) + "z"), 2u) << bad;
  }
  EXPECT_FALSE(first_invalid_utf8(""));
}

TEST(Utf8, CodePointsAreCounted) { EXPECT_EQ(count_code_points("a\xC3\xA9\xE2\x96\x81\xF0\x9F\x98\x80"), 4u); }

TEST(Characters, OfYoungUnicodeVersionsAreKnown) {
  EXPECT_TRUE(is_numeric(0x1CCF5) && is_numeric(0x11DE5)) << "Unicode 16 and 17";
  EXPECT_TRUE(is_word(0x31350)) << "Unicode 15";
  EXPECT_FALSE(is_punctuation(0x2E52)) << "tokenizers stopped at Unicode 8";
  EXPECT_FALSE(is_space(0x180E));
  EXPECT_EQ(normalized("\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0", NormalForm::nfc), "\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0")
      << "U+11935 U+11930 compose since Unicode 13 only";
  EXPECT_EQ(normalized("e\xCC\x81", NormalForm::nfc), "\xC3\xA9");
}

}  // namespace
}  // namespace logitfield::io
