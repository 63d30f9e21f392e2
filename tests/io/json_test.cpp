#include "io/json.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/io/refusal.hpp"
#include "tests/io/seconds.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, RepeatedNamesAreRefusedAtEveryLevel) {
  for (const char* text :
       {R"({"a":1,"a":1})", R"({"b":{"a":1,"c":[],"a":2}})", R"([{"x":{}},{"a":{"a":1},"b":2,"a":3}])"}) {
    EXPECT_TRUE(refuses([&] { parse_json(text, "x.json"); }, {"x.json", "\"a\"", "twice"})) << text;
  }
}

TEST(Json, TheSameNameInDifferentObjectsIsFine) {
  const auto parsed = parse_json(R"({"a":{"a":{"b":1}},"b":[{"a":1},{"a":2}]})", "x.json");
  EXPECT_EQ(parsed["a"]["a"]["b"], 1);
  EXPECT_EQ(parsed["b"][1]["a"], 2);
}

TEST(Json, NestingIsLimitedTo64Levels) {
  EXPECT_NO_THROW(parse_json(nested(64), "x.json"));
  EXPECT_TRUE(refuses([] { parse_json(nested(65), "x.json"); }, {"x.json", "64"}));
  EXPECT_TRUE(refuses([] { parse_json(std::string(1 << 20, '['), "x.json"); }, {"x.json", "64"}));
}

TEST(Json, WhatIsNotJsonIsRefusedInOneShortSentence) {
  const std::string endless = "\"" + std::string(1 << 20, 'x');
  for (const std::string& text : {std::string(), std::string("{"), std::string("nul"), std::string("[1,]"),
                                  std::string("[NaN]"), std::string("[1e999]"), std::string("\"\xff\""), endless}) {
    EXPECT_TRUE(refuses([&] { parse_json(text, "x.json"); }, {"x.json", "not valid JSON"}));
    try {
      parse_json(text, "x.json");
    } catch (const InputError& error) {
      EXPECT_LT(std::string_view(error.what()).size(), 250U);
    }
  }
}

TEST(Json, FilesAreRead) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(read_json(folder.write("a.json", "{\"x\": [1, 2]}"))["x"][1], 2);
  EXPECT_TRUE(refuses([&] { read_json(folder.write("b.json", "{")); }, {"b.json", "not valid JSON"}));
  EXPECT_TRUE(refuses([&] { read_json(folder.path() / "c.json"); }, {"c.json", "No such file"}));
}

TEST(Json, RequiredReturnsTheValue) {
  const auto object = parse_json(R"({"i":-9223372036854775808,"d":0.5,"n":3,"b":true,"s":"text"})", "x.json");
  EXPECT_EQ(required<std::int64_t>(object, "i", "x.json"), INT64_MIN);
  EXPECT_EQ(required<double>(object, "d", "x.json"), 0.5);
  EXPECT_EQ(required<double>(object, "n", "x.json"), 3.0);
  EXPECT_EQ(required<bool>(object, "b", "x.json"), true);
  EXPECT_EQ(required<std::string>(object, "s", "x.json"), "text");
}

TEST(Json, RequiredRefusesMissingKeysAndOtherTypes) {
  const auto object = parse_json(R"({"big":9223372036854775808,"real":2.0,"text":"7","null":null,"one":1})", "x.json");
  EXPECT_TRUE(refuses([&] { required<std::int64_t>(object, "none", "x.json"); }, {"x.json", "\"none\"", "missing"}));
  EXPECT_TRUE(
      refuses([&] { required<std::int64_t>(object, "big", "x.json"); }, {"x.json", "big", "9223372036854775808"}));
  EXPECT_TRUE(refuses([&] { required<std::int64_t>(object, "real", "x.json"); }, {"x.json", "real", "2.0"}));
  EXPECT_TRUE(refuses([&] { required<std::int64_t>(object, "null", "x.json"); }, {"x.json", "null"}));
  EXPECT_TRUE(refuses([&] { required<double>(object, "text", "x.json"); }, {"x.json", "text", "\"7\"", "a number"}));
  EXPECT_TRUE(refuses([&] { required<bool>(object, "one", "x.json"); }, {"x.json", "one", "true or false"}));
  EXPECT_TRUE(refuses([&] { required<std::string>(object, "one", "x.json"); }, {"x.json", "one", "a string"}));
  EXPECT_TRUE(refuses([] { required<bool>(nlohmann::json::array(), "k", "x.json"); }, {"x.json", "object", "a list"}));
}

TEST(Json, OptionalFallsBackForMissingAndNullOnly) {
  const auto object = parse_json(R"({"null":null,"five":5,"text":"t"})", "x.json");
  EXPECT_EQ(optional_or<std::int64_t>(object, "none", 3, "x.json"), 3);
  EXPECT_EQ(optional_or<std::int64_t>(object, "null", 3, "x.json"), 3);
  EXPECT_EQ(optional_or<std::int64_t>(object, "five", 3, "x.json"), 5);
  EXPECT_TRUE(refuses([&] { optional_or(object, "text", true, "x.json"); }, {"x.json", "\"text\"", "\"t\""}));
}

TEST(Json, ExcerptsAreShortAndPrintable) {
  EXPECT_EQ(excerpt(std::string("a\x1b[31m\n")), "\"a\\u001b[31m\\n\"");
  EXPECT_LT(excerpt(std::string(1 << 20, 'x')).size(), 90U);
  EXPECT_LT(excerpt(parse_json(nested(3), "x")).size(), 90U);
  EXPECT_EQ(excerpt(1.5), "1.5");
}

// The library's own builder walks through all of a list at the end of each of its objects: 120 s.
TEST(Json, AListOfManyObjectsTakesLinearTime) {
  std::string text = "[";
  for (int i = 0; i < 100'000; ++i) text += R"({"id": 1, "content": "x"},)";
  text.back() = ']';
  EXPECT_LT(testing::seconds_of([&] { EXPECT_EQ(parse_json(text, "f").size(), 100'000U); }), 10.0);
}

TEST(Json, MemoryIsBounded) {
  std::string text = "[";
  for (int i = 0; i < 20'000; ++i) text += "[],";
  text.back() = ']';
  constexpr std::size_t kMost = std::size_t{1} << 20;
  EXPECT_TRUE(refuses([&] { parse_json(text, "f", {}, kMost); }, {"f", "more than 1 MiB of memory"}));
  EXPECT_EQ(parse_json("[[], {}]", "f", {}, kMost).dump(), "[[],{}]");
}

TEST(Json, EveryKindOfValueIsBuilt) {
  const std::string text = R"({"a":[null,true,-1,18446744073709551615,0.5,"s",{}],"b":{"c":[]}})";
  EXPECT_EQ(parse_json(text, "f").dump(), text);
  EXPECT_EQ(parse_json(" 7 ", "f"), 7);
}

}  // namespace
}  // namespace logitfield::io
