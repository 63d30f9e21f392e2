#include "io/capture/capture.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <limits>
#include <optional>
#include <stdexcept>

#include "tests/io/refusal.hpp"
#include "tests/io/resident_memory.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/io/tiny_checkpoint.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using testing::refuses;
using testing::TemporaryFolder;
using testing::tensor_to_write;
using testing::tiny_value;

/// 2 layers, 4 heads on 2 KV heads of 3 components, 5 tokens.
json tiny_json() {
  return {{"format", "logitfield-capture"},
          {"version", 1},
          {"model", "tiny"},
          {"num_layers", 2},
          {"num_heads", 4},
          {"num_kv_heads", 2},
          {"head_dim", 3},
          {"num_tokens", 5},
          {"scale", 0.5},
          {"causal", true},
          {"position_encoding_applied", true},
          {"dtype", "F32"},
          {"source", "a test"}};
}

void write_capture(const std::filesystem::path& folder, const json& info, DType dtype = DType::F32) {
  std::ofstream(folder / "capture.json") << info;
  for (const char* layer : {"layer_000.safetensors", "layer_001.safetensors"}) {
    write_safetensors(folder / layer,
                      std::vector{tensor_to_write("q", {4, 5, 3}, dtype), tensor_to_write("k", {2, 5, 3}, dtype)});
  }
}

::testing::AssertionResult refused_info(const json& info, std::vector<std::string_view> parts) {
  const TemporaryFolder folder;
  write_capture(folder.path(), info);
  parts.push_back("capture.json");
  return refuses([&] { Capture{folder.path()}; }, parts);
}

json tiny_info_with(const char* key, const json& value) {
  json info = tiny_json();
  info[key] = value;
  return info;
}

::testing::AssertionResult refused_layer(const std::vector<TensorToWrite>& tensors,
                                         std::vector<std::string_view> parts) {
  const TemporaryFolder folder;
  write_capture(folder.path(), tiny_json());
  write_safetensors(folder.path() / "layer_001.safetensors", tensors);
  parts.push_back("layer_001.safetensors");
  return refuses([&] { Capture{folder.path()}; }, parts);
}

class CaptureOf : public ::testing::TestWithParam<DType> {};

TEST_P(CaptureOf, AnyRowsOfAnyHeadAreRead) {
  const TemporaryFolder folder;
  write_capture(folder.path(), tiny_json(), GetParam());
  const Capture capture(folder.path());
  EXPECT_EQ(capture.info().model, "tiny");
  EXPECT_EQ(capture.info().scale, 0.5);
  EXPECT_EQ(capture.info().source, "a test");
  for (const Slice rows : {Slice{0, 0}, {0, 1}, {0, 5}, {2, 4}, {4, 5}, {5, 5}}) {
    std::vector<float> values(static_cast<std::size_t>(rows.size() * 3));
    const auto first = static_cast<std::size_t>(rows.begin * 3);
    for (std::size_t head = 0; head < 4; ++head) {
      capture.read_queries(1, static_cast<std::int64_t>(head), rows, values);
      for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], tiny_value("q", head * 15 + first + i));
    }
    capture.read_keys(0, 1, rows, values);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], tiny_value("k", 15 + first + i));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CaptureOf, ::testing::Values(DType::F32, DType::F16, DType::BF16),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(Capture, ReadsOutsideAreProgrammingErrors) {
  const TemporaryFolder folder;
  write_capture(folder.path(), tiny_json());
  const Capture capture(folder.path());
  std::vector<float> values(15);
  EXPECT_THROW(capture.read_queries(0, 4, {0, 5}, values), std::invalid_argument);
  EXPECT_THROW(capture.read_keys(0, 2, {0, 5}, values), std::invalid_argument);
  std::vector<float> larger(18);
  EXPECT_THROW(capture.read_keys(0, 0, {0, 6}, larger), std::invalid_argument);
  EXPECT_THROW(capture.read_keys(0, 0, {1, 6}, values), std::invalid_argument);
  EXPECT_THROW(capture.read_keys(0, 1, {-1, 4}, values), std::invalid_argument);
  EXPECT_THROW(capture.read_keys(0, 0, {3, 2}, {}), std::invalid_argument);
  EXPECT_THROW(capture.read_keys(0, 0, {0, 4}, values), std::invalid_argument);
  EXPECT_THROW(capture.read_keys(2, 0, {0, 5}, values), std::out_of_range);
}

TEST(Capture, RefusesAnotherFormat) {
  EXPECT_TRUE(refused_info(tiny_info_with("format", "other"), {"\"format\"", "\"other\"", "logitfield-capture"}));
  EXPECT_TRUE(refused_info(tiny_info_with("version", 2), {"\"version\"", "2", "must be 1"}));
  EXPECT_TRUE(refused_info(tiny_info_with("causal", false), {"\"causal\"", "false"}));
  EXPECT_TRUE(refused_info(tiny_info_with("position_encoding_applied", false), {"position_encoding_applied", "false"}));
  EXPECT_TRUE(refused_info(json::array(), {"object"}));
}

TEST(Capture, RefusesMissingKeys) {
  const json complete = tiny_json();
  for (const auto& [key, value] : complete.items()) {
    if (key == "dtype") continue;  // the tensors state it themselves
    json info = complete;
    info.erase(key);
    EXPECT_TRUE(refused_info(info, {key, "missing"}));
  }
}

TEST(Capture, RefusesImpossibleSizesAndScales) {
  for (const char* key : {"num_layers", "num_heads", "num_kv_heads", "head_dim", "num_tokens"}) {
    EXPECT_TRUE(refused_info(tiny_info_with(key, 0), {key, "0"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, -1), {key, "-1"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, std::int64_t{1} << 40), {key, "1099511627776"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, 1.5), {key, "1.5"}));
  }
  EXPECT_TRUE(refused_info(tiny_info_with("num_kv_heads", 3), {"num_heads", "4", "num_kv_heads", "3"}));
  EXPECT_TRUE(refused_info(tiny_info_with("scale", 0), {"scale", "0", "positive"}));
  EXPECT_TRUE(refused_info(tiny_info_with("scale", -0.5), {"scale", "-0.5"}));
  EXPECT_TRUE(refused_info(tiny_info_with("scale", "0.5"), {"scale", "\"0.5\""}));
}

TEST(Capture, RefusesMissingFilesAndTensors) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { Capture{folder.path()}; }, {"capture.json", "No such file"}));
  write_capture(folder.path(), tiny_info_with("num_layers", 3));
  EXPECT_TRUE(refuses([&] { Capture{folder.path()}; }, {"layer_002.safetensors", "No such file"}));
  EXPECT_TRUE(refused_layer({tensor_to_write("q", {4, 5, 3})}, {"\"k\"", "missing"}));
  EXPECT_TRUE(refused_layer({tensor_to_write("k", {2, 5, 3})}, {"\"q\"", "missing"}));
}

TEST(Capture, RefusesOtherShapesAndTypes) {
  const auto q = tensor_to_write("q", {4, 5, 3});
  EXPECT_TRUE(refused_layer({q, tensor_to_write("k", {2, 5, 4})}, {"\"k\"", "[2, 5, 4]", "[2, 5, 3]"}));
  EXPECT_TRUE(refused_layer({q, tensor_to_write("k", {10, 3})}, {"\"k\"", "[10, 3]"}));
  auto integers = tensor_to_write("k", {2, 5, 3});
  integers.dtype = DType::I32;
  integers.fill = [](std::size_t, std::span<std::byte>) {};
  EXPECT_TRUE(refused_layer({q, integers}, {"\"k\"", "I32", "BF16"}));
}

TEST(Capture, ValuesThatAreNotFiniteAreNamedWhereTheyAreRead) {
  const TemporaryFolder folder;
  write_capture(folder.path(), tiny_json());
  auto q = tensor_to_write("q", {4, 5, 3});
  q.fill = [](std::size_t, std::span<std::byte> bytes) {
    std::ranges::fill(bytes, std::byte{0});
    const auto bad = testing::encode(DType::F32, -std::numeric_limits<float>::infinity());
    std::ranges::copy(bad, bytes.begin() + (2 * 15 + 3 * 3 + 1) * 4);
  };
  write_safetensors(folder.path() / "layer_001.safetensors", std::vector{q, tensor_to_write("k", {2, 5, 3})});
  const Capture capture(folder.path());
  std::vector<float> values(15);
  const std::vector<std::string_view> parts = {"layer_001.safetensors", "\"q\"", "-inf",
                                               "[head, row, component] = [2, 3, 1]"};
  EXPECT_TRUE(refuses([&] { capture.read_queries(1, 2, {0, 5}, values); }, parts));
  EXPECT_TRUE(refuses([&] { capture.check_and_hash(1); }, parts));
  EXPECT_NO_THROW(capture.read_queries(1, 1, {0, 5}, values));
  EXPECT_TRUE(refuses([&] { capture.read_queries(1, 2, {3, 4}, std::span(values).first(3)); }, parts));
  EXPECT_NO_THROW(capture.read_queries(1, 2, {0, 3}, std::span(values).first(9)));
  EXPECT_NO_THROW(capture.read_queries(1, 2, {4, 5}, std::span(values).first(3)));
  EXPECT_NO_THROW(capture.check_and_hash(0));

  const Capture as_it_is(folder.path(), Finite::not_required);
  as_it_is.read_queries(1, 2, {0, 5}, values);
  EXPECT_EQ(values[3 * 3 + 1], -std::numeric_limits<float>::infinity());
  EXPECT_NE(as_it_is.check_and_hash(1).hash, as_it_is.check_and_hash(0).hash);
  EXPECT_EQ(as_it_is.check_and_hash(0).hash, capture.check_and_hash(0).hash);
}

TEST(Capture, OnlyTheRowsReadAreChecked) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "capture.json") << tiny_info_with("num_tokens", 10);
  auto k = tensor_to_write("k", {2, 10, 3});
  k.fill = [](std::size_t, std::span<std::byte> bytes) {
    std::ranges::fill(bytes, std::byte{0});
    const auto bad = testing::encode(DType::F32, std::numeric_limits<float>::quiet_NaN());
    std::ranges::copy(bad, bytes.begin() + (10 * 3 + 7 * 3) * 4);
  };
  for (const char* layer : {"layer_000.safetensors", "layer_001.safetensors"}) {
    write_safetensors(folder.path() / layer, std::vector{tensor_to_write("q", {4, 10, 3}), k});
  }
  const Capture capture(folder.path());
  std::vector<float> values(30);
  EXPECT_TRUE(refuses(
      [&] {
        capture.read_keys(0, 1, {5, 9}, std::span(values).first(12));
      },
      {"layer_000.safetensors", "\"k\"", "nan", "[head, row, component] = [1, 7, 0]"}));
  EXPECT_NO_THROW(capture.read_keys(0, 1, {0, 7}, std::span(values).first(21)));
  EXPECT_NO_THROW(capture.read_keys(0, 1, {8, 10}, std::span(values).first(6)));
  EXPECT_NO_THROW(capture.read_keys(0, 0, {0, 10}, values));
}

TEST(Capture, ALongCaptureDoesNotStayInMemory) {
  const TemporaryFolder folder;
  constexpr std::int64_t kTokens = 3 << 20;
  constexpr std::size_t kHeadBytes = kTokens * 3 * 2;
  constexpr std::size_t kLittle = kHeadBytes / 4;
  json info = tiny_info_with("num_tokens", kTokens);
  info["num_layers"] = 1;
  info["num_heads"] = info["num_kv_heads"] = 1;
  std::ofstream(folder.path() / "capture.json") << info;
  write_safetensors(folder.path() / "layer_000.safetensors",
                    std::vector{tensor_to_write("q", {1, kTokens, 3}, DType::BF16),
                                tensor_to_write("k", {1, kTokens, 3}, DType::BF16)});
  const Capture capture(folder.path());
  std::vector<float> values(kTokens * 3);
  const std::size_t before = testing::resident_file_bytes();
  const std::uint64_t hash = capture.check_and_hash(0).hash;
  EXPECT_LT(testing::resident_file_bytes(), before + kLittle);
  for (int i = 0; i < 2; ++i) {
    std::ranges::fill(values, -1000.0F);
    capture.read_queries(0, 0, {0, kTokens}, values);
    EXPECT_LT(testing::resident_file_bytes(), before + kLittle);
    for (std::size_t j = 0; j < values.size(); ++j) ASSERT_EQ(values[j], tiny_value("q", j));
  }
  EXPECT_EQ(capture.check_and_hash(0).hash, hash);
}

TEST(Capture, ALayerThatChangesAfterTheFirstReadingIsRefused) {
  for (const char* name : {"q", "k"}) {
    const TemporaryFolder folder;
    write_capture(folder.path(), tiny_json());
    Capture capture(folder.path());
    std::vector<float> values(15);
    for (const std::int64_t layer : {0, 1}) capture.expect(layer, capture.check_and_hash(layer).blocks);
    EXPECT_NO_THROW(capture.read_queries(1, 0, {0, 5}, values));
    EXPECT_NO_THROW(capture.read_keys(1, 0, {0, 5}, values));
    const auto path = folder.path() / "layer_001.safetensors";
    const std::string before = testing::content_of(path);
    const SafetensorsFile file(path);
    const auto place = file.at(name).data.data() - file.file().bytes().data();
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(place).put(static_cast<char>(before[static_cast<std::size_t>(place)] ^ 1));
    stream.close();
    const auto read = [&](std::int64_t layer) {
      name == std::string("q") ? capture.read_queries(layer, 0, {0, 5}, values)
                               : capture.read_keys(layer, 0, {0, 5}, values);
    };
    EXPECT_NO_THROW(read(0));
    EXPECT_TRUE(refuses([&] { read(1); }, {"layer_001.safetensors", name, "changed while"}));
  }
}

TEST(Capture, PiecesOfRowsMakeTheWhole) {
  const TemporaryFolder folder;
  write_capture(folder.path(), tiny_json());
  const Capture capture(folder.path());
  std::vector<float> whole(15);
  std::vector<float> pieces(15);
  capture.read_keys(1, 1, {0, 5}, whole);
  capture.read_keys(1, 1, {3, 5}, std::span(pieces).subspan(9));
  capture.read_keys(1, 1, {0, 1}, std::span(pieces).first(3));
  capture.read_keys(1, 1, {1, 3}, std::span(pieces).subspan(3, 6));
  EXPECT_EQ(pieces, whole);
}

TEST(Capture, SlopesAndSoftcapAreRead) {
  const auto read = [](const json& info) {
    const TemporaryFolder folder;
    write_capture(folder.path(), info);
    return Capture(folder.path()).info();
  };
  EXPECT_TRUE(read(tiny_json()).alibi_slopes.empty());
  EXPECT_EQ(read(tiny_json()).logit_softcap, std::nullopt);
  const std::vector<double> slopes = {0.5, 1, -0.25, 0};
  EXPECT_EQ(read(tiny_info_with("alibi_slopes", {0.5, 1, -0.25, 0})).alibi_slopes, slopes);
  EXPECT_EQ(read(tiny_info_with("logit_softcap", 30)).logit_softcap, 30.0);
}

/// Tests tiny_json() with one more key, given as text because json cannot hold values that are not finite.
::testing::AssertionResult refused_text(const std::string& key_and_value, const std::vector<std::string_view>& parts) {
  const TemporaryFolder folder;
  write_capture(folder.path(), tiny_json());
  std::string text = tiny_json().dump();
  text.back() = ',';
  folder.write("capture.json", text + key_and_value + "}");
  return refuses([&] { Capture{folder.path()}; }, parts);
}

TEST(Capture, RefusesImpossibleSlopes) {
  constexpr const char* key = "alibi_slopes";
  EXPECT_TRUE(refused_info(tiny_info_with(key, {1, 2, 3}), {key, "a list of 3", "\"num_heads\" 4"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, json::array()), {key, "a list of 0", "\"num_heads\" 4"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, 0.5), {key, "0.5", "must be a list"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, nullptr), {key, "null", "must be a list"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, {1, "2", 3, 4}), {key, "\"2\" at 1", "numbers", "remove it"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, {1, 2, 3, nullptr}), {key, "null at 3"}));
  for (const char* value : {"1e999", "NaN", "-Infinity"}) {
    EXPECT_TRUE(refused_text(std::string("\"alibi_slopes\": [1, 2, 3, ") + value + "]", {"capture.json", "JSON"}));
  }
}

TEST(Capture, SinksAreReadByLayerAndHead) {
  constexpr const char* key = "sinks";
  const TemporaryFolder folder;
  write_capture(folder.path(), tiny_info_with(key, {{1, -2.5, 0, 3}, {4, 5, 6, 7}}));
  const std::vector<std::vector<double>> sinks = {{1, -2.5, 0, 3}, {4, 5, 6, 7}};
  EXPECT_EQ(Capture(folder.path()).info().sinks, sinks);
  EXPECT_TRUE(refused_info(tiny_info_with(key, 0.5), {key, "0.5", "\"num_layers\" 2", "remove it"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, json::array({{1, 2, 3, 4}})), {key, "a list of 1", "\"num_layers\" 2"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, {{1, 2, 3, 4}, {1, 2, 3}}), {key, "layer 1", "a list of 3", "4"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, {{1, nullptr, 3, 4}, {1, 2, 3, 4}}), {key, "layer 0", "null at 1"}));
}

TEST(Capture, RefusesImpossibleSoftcaps) {
  constexpr const char* key = "logit_softcap";
  EXPECT_TRUE(refused_info(tiny_info_with(key, 0), {key, "0", "positive"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, -30.5), {key, "-30.5", "positive", "remove it"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, "30"), {key, "\"30\"", "a number"}));
  EXPECT_TRUE(refused_info(tiny_info_with(key, nullptr), {key, "null", "a number"}));
  for (const char* value : {"1e999", "NaN", "Infinity"}) {
    EXPECT_TRUE(refused_text(std::string("\"logit_softcap\": ") + value, {"capture.json", "JSON"}));
  }
}

TEST(Capture, WindowsAndChunksAreRead) {
  const auto read = [](const json& info) {
    const TemporaryFolder folder;
    write_capture(folder.path(), info);
    return Capture(folder.path()).info();
  };
  using Keys = std::vector<std::int64_t>;
  EXPECT_TRUE(read(tiny_json()).windows.empty() && read(tiny_json()).chunks.empty());
  EXPECT_EQ(read(tiny_info_with("windows", {nullptr, 3})).windows, (Keys{0, 3}));
  EXPECT_EQ(read(tiny_info_with("chunks", {2, nullptr})).chunks, (Keys{2, 0}));
  json both = tiny_info_with("windows", {7, nullptr});
  both["chunks"] = {nullptr, 1};
  EXPECT_EQ(read(both).windows, (Keys{7, 0}));
  EXPECT_EQ(read(both).chunks, (Keys{0, 1}));
}

TEST(Capture, RefusesImpossibleWindows) {
  for (const char* key : {"windows", "chunks"}) {
    EXPECT_TRUE(refused_info(tiny_info_with(key, {1, 2, 3}), {key, "a list of 3", "\"num_layers\" 2"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, 512), {key, "512", "must be a list"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, {1, 0}), {key, "0 at 1", "positive integers", "remove it"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, {-4, 1}), {key, "-4 at 0"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, {1, 2.5}), {key, "2.5 at 1"}));
    EXPECT_TRUE(refused_info(tiny_info_with(key, {1, "2"}), {key, "\"2\" at 1"}));
  }
  json both = tiny_info_with("windows", {7, nullptr});
  both["chunks"] = {8, nullptr};
  EXPECT_TRUE(refused_info(both, {"layer 0", "window of 7", "chunks of 8", "correct"}));
}

TEST(Capture, TheHashDependsOnQueriesAndKeys) {
  const auto hash_with = [](const char* changed) {
    const TemporaryFolder folder;
    write_capture(folder.path(), tiny_json());
    std::vector tensors = {tensor_to_write("q", {4, 5, 3}), tensor_to_write("k", {2, 5, 3})};
    for (auto& tensor : tensors) {
      if (tensor.name == changed)
        tensor.fill = [](std::size_t, std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{0}); };
    }
    write_safetensors(folder.path() / "layer_000.safetensors", tensors);
    return Capture(folder.path()).check_and_hash(0).hash;
  };
  EXPECT_EQ(hash_with(""), hash_with(""));
  EXPECT_NE(hash_with(""), hash_with("q"));
  EXPECT_NE(hash_with(""), hash_with("k"));
}

}  // namespace
}  // namespace logitfield::io
