#include "io/gguf/gguf_file.hpp"

#include <gtest/gtest.h>

#include "tests/io/gguf_builder.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::GgufBuilder;
using testing::refuses;
using testing::TemporaryFolder;

constexpr std::uint32_t kF32 = 0, kQ40 = 2;

/// Whether `content` is refused as x.gguf with every part named.
::testing::AssertionResult refused_gguf(const std::string& content, std::vector<std::string_view> parts) {
  const TemporaryFolder folder;
  const auto path = folder.write("x.gguf", content);
  parts.push_back("x.gguf");
  return refuses([&] { GgufFile{path}; }, parts);
}

TEST(Gguf, HandsOutMetadataAndTensors) {
  for (const std::uint32_t version : {2, 3}) {
    const TemporaryFolder folder;
    GgufBuilder builder;
    builder.version = version;
    builder.set("general.architecture", "llama").set("a.size", 7U).set("a.rate", 0.5F).set("a.flag", true);
    builder.set("a.names", std::vector<std::string>{"x", "y"}).set("a.kinds", std::vector<std::int32_t>{1, -2});
    builder.tensor("v", {3}, kF32, std::string(12, '\1')).tensor("m", {32, 2}, kQ40, std::string(36, '\2'));
    const GgufFile file(folder.write("x.gguf", builder.build()));
    EXPECT_EQ(file.metadata().dump(), R"({"a.flag":true,"a.kinds":[1,-2],"a.names":["x","y"],"a.rate":0.5,"a.size":7,)"
                                      R"("general.architecture":"llama"})");
    ASSERT_EQ(file.tensors().size(), 2U);
    const GgufTensor& m = file.tensors().at("m");
    EXPECT_EQ(m.type->name, "Q4_0");
    EXPECT_EQ(m.shape, (std::vector<std::int64_t>{2, 32})) << "the slowest axis first";
    EXPECT_EQ(m.data.size(), 36U);
    EXPECT_EQ(m.data.front(), std::byte{2});
    EXPECT_EQ(file.tensors().at("v").data.front(), std::byte{1});
  }
}

TEST(Gguf, RefusesOtherFilesAndVersions) {
  EXPECT_TRUE(refused_gguf("GGU", {"4 bytes at byte 0", "copy"}));
  EXPECT_TRUE(refused_gguf(std::string(64, 'x'), {"begin with GGUF"}));
  GgufBuilder builder;
  builder.version = 1;
  EXPECT_TRUE(refused_gguf(builder.build(), {"version 1", "llama.cpp"}));
  builder.version = 0x03000000;
  EXPECT_TRUE(refused_gguf(builder.build(), {"big-endian"}));
}

TEST(Gguf, RefusesKeysThatAreNoText) {
  EXPECT_TRUE(refused_gguf(GgufBuilder().set("llama.zz\xff", 1U).build(), {"llama.zz", "UTF-8", "copy"}));
}

TEST(Gguf, RefusesEveryCutHeader) {
  const TemporaryFolder folder;
  GgufBuilder builder;
  builder.set("k", "value").set("names", std::vector<std::string>{"x", "y"}).tensor("t", {2}, kF32, "12345678");
  const std::string whole = builder.build();
  for (std::size_t size = 1; size < whole.size(); ++size) {
    EXPECT_TRUE(refused_gguf(whole.substr(0, size), {"copy"})) << size;
  }
}

TEST(Gguf, RefusesMetadataThatIsWrong) {
  const auto huge = GgufBuilder::number<std::uint64_t>(UINT64_MAX);
  EXPECT_TRUE(refused_gguf(GgufBuilder().raw_value("k", 8, huge).build(), {"18446744073709551615", "copy"}));
  EXPECT_TRUE(refused_gguf(GgufBuilder().raw_value("k", 9, GgufBuilder::number(4U) + huge).build(),
                           {"\"k\"", "list of 18446744073709551615"}));
  EXPECT_TRUE(refused_gguf(GgufBuilder().raw_value("k", 9, GgufBuilder::number(9U) + huge).build(),
                           {"\"k\"", "list of lists"}));
  EXPECT_TRUE(refused_gguf(GgufBuilder().raw_value("k", 13, huge).build(), {"\"k\"", "type 13"}));
  EXPECT_TRUE(refused_gguf(GgufBuilder().set("k", 1U).set("k", 2U).build(), {"\"k\"", "twice"}));
  EXPECT_TRUE(refused_gguf(GgufBuilder().set("general.alignment", 24U).build(), {"general.alignment", "24"}));
  EXPECT_TRUE(refused_gguf(GgufBuilder().set("general.alignment", "x").build(), {"general.alignment", "\"x\""}));
}

TEST(Gguf, RefusesTensorsThatAreWrong) {
  const auto refused_row = [](const std::vector<std::uint64_t>& axes, std::uint32_t type, std::uint64_t offset,
                              std::vector<std::string_view> parts) {
    parts.push_back("\"t\"");
    return refused_gguf(GgufBuilder().row("t", axes, type, offset).data(64).build(), parts);
  };
  EXPECT_TRUE(refused_row({}, kF32, 0, {"0 axes"}));
  EXPECT_TRUE(refused_row({1, 1, 1, 1, 1}, kF32, 0, {"5 axes"}));
  EXPECT_TRUE(refused_row({0}, kF32, 0, {"size 0"}));
  EXPECT_TRUE(refused_row({UINT64_MAX}, kF32, 0, {"18446744073709551615"}));
  EXPECT_TRUE(refused_row({1U << 30, 1U << 30, 1U << 30}, kF32, 0, {"2^64"}));
  EXPECT_TRUE(refused_row({33}, kQ40, 0, {"33 numbers", "Q4_0"}));
  EXPECT_TRUE(refused_row({1}, 5, 0, {"type 5", "another quantisation"}));
  EXPECT_TRUE(refused_row({1}, kF32, 4, {"byte 4", "not aligned"}));
  EXPECT_TRUE(refused_row({17}, kF32, 0, {"68 bytes", "outside of the 64"}));
  EXPECT_TRUE(refused_row({1}, kF32, UINT64_MAX - 31, {"outside of the 64"}));
  EXPECT_TRUE(
      refused_gguf(GgufBuilder().row("t", {1}, kF32, 0).row("t", {1}, kF32, 32).data(64).build(), {"\"t\"", "twice"}));
  EXPECT_TRUE(refused_gguf(GgufBuilder().row("t", {9}, kF32, 0).row("u", {1}, kF32, 32).data(64).build(),
                           {"\"t\"", "\"u\"", "overlap"}));
}

TEST(GgufParts, AreFoundByTheNameOfTheFirst) {
  const TemporaryFolder folder;
  const auto first = folder.write("m-00001-of-00002.gguf", ""), second = folder.path() / "m-00002-of-00002.gguf";
  EXPECT_TRUE(refuses([&] { gguf_parts(first); }, {"m-00002-of-00002.gguf", "missing", "2 parts"}));
  folder.write("m-00002-of-00002.gguf", "");
  EXPECT_EQ(gguf_parts(first), (std::vector{first, second}));
  EXPECT_TRUE(refuses([&] { gguf_parts(second); }, {"part 2 of 2", "m-00001-of-00002.gguf"}));
  for (const char* name : {"m.gguf", "m-0001-of-00002.gguf", "00001-of-00002.gguf", "m-00001-of-00000.gguf"}) {
    EXPECT_EQ(gguf_parts(name), std::vector<std::filesystem::path>{name});
  }
}

}  // namespace
}  // namespace logitfield::io
