#include "io/npy.hpp"

#include <gtest/gtest.h>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using testing::TemporaryFolder;

std::string header_of(const std::string& type, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

std::string npy(int version, const std::string& header, const std::string& data) {
  const std::uint32_t length = static_cast<std::uint32_t>(header.size());
  return "\x93NUMPY" + std::string(1, static_cast<char>(version)) + std::string(1, '\0') +
         std::string(reinterpret_cast<const char*>(&length), version == 1 ? 2 : 4) + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<std::int64_t> read(const std::string& content) {
  const TemporaryFolder folder;
  return read_npy_integers(folder.write("x.npy", content));
}

::testing::AssertionResult refused_npy(const std::string& content, std::vector<std::string_view> parts) {
  parts.insert(parts.end(), {"x.npy", "numpy.save"});
  return refuses([&] { read(content); }, parts);
}

TEST(Npy, ReadsBothWidthsInEveryVersion) {
  const std::vector<std::int64_t> expected = {0, -1, 7, 2147483647};
  const std::vector<std::int32_t> narrow(expected.begin(), expected.end());
  for (const int version : {1, 2, 3}) {
    EXPECT_EQ(read(npy(version, header_of("<i4", "(4,)"), bytes_of(narrow))), expected);
    EXPECT_EQ(read(npy(version, header_of("<i8", "(4,)", "True"), bytes_of(expected))), expected);
  }
  const std::vector<std::int64_t> extreme = {INT64_MIN, INT64_MAX};
  EXPECT_EQ(read(npy(1, header_of("<i8", "(2,)"), bytes_of(extreme))), extreme);
  EXPECT_TRUE(read(npy(1, header_of("<i4", "(0,)"), "")).empty());
}

TEST(Npy, ReadsEveryKindOfIntegerAndABatchOfOne) {
  const auto ids = [](auto last) { return std::vector{decltype(last)(0), decltype(last)(7), last}; };
  const auto both = [](const char* type, const auto& values) {
    const std::vector<std::int64_t> expected(values.begin(), values.end());
    EXPECT_EQ(read(npy(1, header_of(type, "(3,)"), bytes_of(values))), expected) << type;
    EXPECT_EQ(read(npy(1, header_of(type, "(1, 3)"), bytes_of(values))), expected) << type;
  };
  both("|u1", ids(std::uint8_t{255}));
  both("|i1", ids(std::int8_t{-1}));
  both("<u2", ids(std::uint16_t{65535}));
  both("<i2", ids(std::int16_t{-2}));
  both("<u4", ids(std::uint32_t{4294967295U}));
}

TEST(Npy, RefusesOtherFiles) {
  EXPECT_TRUE(refused_npy("", {"not a .npy file"}));
  EXPECT_TRUE(refused_npy("PK\x03\x04 an npz file", {"not a .npy file"}));
  EXPECT_TRUE(refused_npy(npy(4, header_of("<i4", "(0,)"), ""), {"version 4"}));
  const std::string good = npy(1, header_of("<i4", "(2,)"), "12345678");
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_TRUE(refused_npy(good.substr(0, size), {})) << size;
}

TEST(Npy, RefusesOtherArrays) {
  EXPECT_TRUE(refused_npy(npy(1, header_of("<f4", "(2,)"), "12345678"), {"\"<f4\""}));
  EXPECT_TRUE(refused_npy(npy(1, header_of(">i4", "(2,)"), "12345678"), {"\">i4\""}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<u8", "(1,)"), "12345678"), {"\"<u8\""}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "(2, 1)"), "12345678"), {"shape \"2, 1\""}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "(1, 2, 1)"), "12345678"), {"shape"}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "(1, 2,)"), "12345678"), {"shape"}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "()"), "1234"), {"shape \"\""}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "(-1,)"), ""), {"shape \"-1,\""}));
  EXPECT_TRUE(refused_npy(npy(1, "{}", ""), {"{}"}));
  EXPECT_TRUE(refused_npy(npy(1, "{'descr': [('<i4', '<f8')], 'shape': (0,)}", ""), {"unknown form"}));
  EXPECT_TRUE(refused_npy(npy(1, "{'descr'", ""), {"unknown form"}));
  EXPECT_TRUE(refused_npy(npy(1, "{'descr': '<i4', 'shape': (2,", "12345678"), {"unknown form"}));
}

TEST(Npy, ReadsWhatItWrites) {
  const TemporaryFolder folder;
  for (const std::size_t count : {0, 1, 2, 1000}) {
    std::vector<std::int32_t> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<std::int32_t>(i * 2'000'003) - 7;
    const auto path = folder.path() / "values.npy";
    write_npy_integers(path, values);
    EXPECT_EQ(read_npy_integers(path), (std::vector<std::int64_t>(values.begin(), values.end())));
    EXPECT_EQ((std::filesystem::file_size(path) - 4 * count) % 64, 0u) << "numpy aligns the data";
  }
  EXPECT_TRUE(
      refuses([&] { write_npy_integers(folder.path() / "none" / "x.npy", {}); }, {"none/x.npy", "cannot write"}));
}

TEST(Npy, RefusesLengthsThatContradictTheHeader) {
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "(2,)"), "1234567"), {"2 elements", "7 bytes"}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "(2,)"), "123456789"), {"2 elements", "9 bytes"}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i4", "(2,)"), "123456789012"), {"2 elements", "12 bytes"}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i8", "(999999999999999999,)"), "12345678"), {"999999999999999999"}));
  EXPECT_TRUE(refused_npy(npy(1, header_of("<i8", "(99999999999999999999,)"), "12345678"), {}));
  EXPECT_TRUE(refused_npy(npy(2, std::string(100'000, ' ') + header_of("<i4", "(0,)"), ""), {"header of"}));
}

}  // namespace
}  // namespace logitfield::io
