#include "io/printable.hpp"

#include <gtest/gtest.h>

namespace logitfield::io {
namespace {

TEST(Printable, ControlCharactersAreWrittenOutAndTextStays) {
  EXPECT_EQ(printable("a\x1b[31mb\r\x7f"), "a\\x1b[31mb\\x0d\\x7f");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m")
      << "CSI of eight bits";
  EXPECT_EQ(printable_line("a\tb\nc\xff"), "a\\x09b\\x0ac\\xff");
  const char* text = "two\nlines\tand \u00e9, \u00a0, \u4e2d";
  EXPECT_EQ(printable(text), text);
  EXPECT_EQ(printable("caf\xe9 \x9b"
                      "31m \u00e9\xff\xc2"),
            "caf\\xe9 \\x9b31m \u00e9\\xff\\xc2")
      << "no UTF-8, and CSI in an encoding of eight bits";
}

}  // namespace
}  // namespace logitfield::io
