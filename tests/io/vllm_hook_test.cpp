#include "io/capture/vllm_hook.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/io/tiny_checkpoint.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using testing::refuses;
using testing::TemporaryFolder;

/// A run of 2 layers, 4 heads over 2 KV heads of 3 columns, and of entries of 5 and 3 tokens.
constexpr HeadShape kHeads{.num_heads = 4, .num_kv_heads = 2, .head_dim = 3};
constexpr std::int64_t kLongest = 5;

std::string tensor_name(std::int64_t layer, char which) {
  return fmt::format("model__layers__{}__self_attn__attn__{}", layer, which);
}

json tiny_info(std::int64_t rank = 0) {
  json layers = json::array();
  for (const std::int64_t layer : {1, 0}) {  // in any order
    layers.push_back({{"key_q", tensor_name(layer, 'q')},
                      {"key_k", tensor_name(layer, 'k')},
                      {"module_name", fmt::format("model.layers.{}.self_attn.attn", layer)},
                      {"layer_num", layer}});
  }
  return {{"config",
           {{"num_attention_heads", 4},
            {"num_key_value_heads", 2},
            {"hidden_size", 12},
            {"head_dim", 3},
            {"attention_multiplier", 0.25}}},
          {"layer_order", layers},
          {"batch_size", 2},
          {"hookq_mode", "all_tokens"},
          {"tp_rank", rank},
          {"seq_lens", {5, 3}}};
}

/// What the run has at a head's column: a number below 2,048, which float16 holds.
float value_at(std::int64_t layer, char which, std::int64_t entry, std::int64_t token, std::int64_t column) {
  return static_cast<float>((layer * 2 + (which == 'k')) * 256 + (entry * kLongest + token) * 12 + column);
}

/// Columns begin ... begin + count - 1 of all heads.
TensorToWrite tensor_of(std::int64_t layer, char which, std::int64_t begin, std::int64_t count,
                        DType dtype = DType::F32) {
  const auto fill = [=](std::size_t first, std::span<std::byte> bytes) {
    const std::size_t size = dtype_size(dtype);
    for (std::size_t i = 0; i < bytes.size() / size; ++i) {
      const auto element = static_cast<std::int64_t>(first + i), row = element / count;
      const float value = value_at(layer, which, row / kLongest, row % kLongest, begin + element % count);
      std::memcpy(&bytes[i * size], testing::encode(dtype, value).data(), size);
    }
  };
  return {tensor_name(layer, which), dtype, {2, kLongest, count}, fill};
}

std::vector<TensorToWrite> tiny_tensors(DType dtype = DType::F32) {
  std::vector<TensorToWrite> out;
  for (const std::int64_t layer : {0, 1}) {
    out.push_back(tensor_of(layer, 'q', 0, 12, dtype));
    out.push_back(tensor_of(layer, 'k', 0, 6, dtype));
  }
  return out;
}

void write_rank(const std::filesystem::path& folder, std::int64_t rank, const json& info,
                const std::vector<TensorToWrite>& tensors) {
  const auto path = folder / fmt::format("tp_rank_{}", rank);
  std::filesystem::create_directories(path);
  std::ofstream(path / "qk.json") << info;
  write_safetensors(path / "qk.safetensors", tensors);
}

/// Writes the run as `ranks` ranks write it; with more ranks than KV heads, several hold the same one.
void write_run(const std::filesystem::path& folder, std::int64_t ranks, DType dtype = DType::F32) {
  const std::int64_t copies = std::max<std::int64_t>(1, ranks / 2), keys = ranks == 1 ? 6 : 3;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    std::vector<TensorToWrite> tensors;
    for (const std::int64_t layer : {0, 1}) {
      tensors.push_back(tensor_of(layer, 'q', rank * 12 / ranks, 12 / ranks, dtype));
      tensors.push_back(tensor_of(layer, 'k', rank / copies * keys, keys, dtype));
    }
    write_rank(folder, rank, tiny_info(rank), tensors);
  }
}

::testing::AssertionResult refused_info(const json& info, std::vector<std::string_view> parts) {
  const TemporaryFolder folder;
  write_rank(folder.path(), 0, info, tiny_tensors());
  parts.push_back("qk.json");
  return refuses([&] { VllmHookRun{folder.path()}; }, parts);
}

json info_with(const char* key, const json& value) {
  json info = tiny_info();
  info[key] = value;
  return info;
}

json config_with(const char* key, const json& value) {
  json info = tiny_info();
  info["config"][key] = value;
  return info;
}

class VllmHookOfRanks : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(VllmHookOfRanks, AnyRowsOfAnyHeadAreRead) {
  const TemporaryFolder folder;
  write_run(folder.path(), GetParam());
  const VllmHookRun run(folder.path());
  EXPECT_EQ(run.num_layers(), 2);
  EXPECT_EQ(run.heads(), kHeads);
  EXPECT_EQ(run.told().scale, 0.25);
  EXPECT_EQ(run.dtype(), "F32");
  for (const std::int64_t layer : {0, 1}) {
    for (const std::int64_t entry : {0, 1}) {
      const Slice rows{1, run.length(entry)};
      std::vector<float> values(static_cast<std::size_t>(rows.size() * 3));
      const auto expect = [&](char which, std::int64_t head) {
        for (std::int64_t i = 0; i < std::ssize(values); ++i) {
          ASSERT_EQ(values[static_cast<std::size_t>(i)],
                    value_at(layer, which, entry, rows.begin + i / 3, head * 3 + i % 3));
        }
      };
      for (std::int64_t head = 0; head < 4; ++head) {
        run.read_queries(layer, head, entry, rows, values);
        expect('q', head);
      }
      for (std::int64_t head = 0; head < 2; ++head) {
        run.read_keys(layer, head, entry, rows, values);
        expect('k', head);
      }
    }
    run.release(layer);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, VllmHookOfRanks, ::testing::Values(1, 2, 4));

TEST(VllmHook, HalfPrecisionIsRead) {
  for (const DType dtype : {DType::F16, DType::BF16}) {
    const TemporaryFolder folder;
    json info = tiny_info();
    std::vector<TensorToWrite> tensors;
    for (const std::int64_t layer : {0, 1}) {
      tensors.push_back(testing::tensor_to_write(tensor_name(layer, 'q'), {2, 5, 12}, dtype));
      tensors.push_back(testing::tensor_to_write(tensor_name(layer, 'k'), {2, 5, 6}, dtype));
    }
    write_rank(folder.path(), 0, info, tensors);
    const VllmHookRun run(folder.path());
    EXPECT_EQ(run.dtype(), dtype_name(dtype));
    std::vector<float> values(3);
    run.read_keys(1, 1, 1, {2, 3}, values);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(values[i], testing::tiny_value(tensor_name(1, 'k'), 7 * 6 + 3 + i));
  }
}

TEST(VllmHook, OtherFoldersAreRefused) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { VllmHookRun{folder.path()}; }, {"no folder tp_rank_0", "of one run", "run's id"}));
  EXPECT_TRUE(refuses([&] { VllmHookRun{folder.path() / "none"}; }, {"none", "no folder tp_rank_0"}));
  write_run(folder.path(), 2);
  std::filesystem::rename(folder.path() / "tp_rank_1", folder.path() / "tp_rank_2");
  EXPECT_TRUE(refuses([&] { VllmHookRun{folder.path()}; }, {"no folder tp_rank_1", "all tensor-parallel ranks"}));
  const TemporaryFolder saved;
  std::filesystem::create_directory(saved.path() / "tp_rank_0");
  std::ofstream(saved.path() / "tp_rank_0" / "qk.pt") << "x";
  EXPECT_TRUE(refuses([&] { VllmHookRun{saved.path()}; }, {"qk.pt", "torch.save", "VLLM_HOOK_USE_SAFETENSORS=1"}));
}

TEST(VllmHook, MissingRanksAreRefused) {
  // The half of the columns would be heads of half the size.
  for (const std::int64_t ranks : {2, 4}) {
    const TemporaryFolder folder;
    write_run(folder.path(), ranks);
    for (std::int64_t rank = 1; rank < ranks; ++rank) {
      std::filesystem::remove_all(folder.path() / fmt::format("tp_rank_{}", rank));
    }
    for (const auto& known : {std::optional<HeadShape>(), std::optional<HeadShape>(kHeads)}) {
      EXPECT_TRUE(refuses([&] { VllmHookRun(folder.path(), known); }, {"columns", "4 heads of 3", "all ranks"}));
    }
  }
}

TEST(VllmHook, RanksOfSeveralRunsAreRefused) {
  const TemporaryFolder folder;
  write_run(folder.path(), 2);
  json other = tiny_info(1);
  other["seq_lens"] = {3, 5};
  std::ofstream(folder.path() / "tp_rank_1" / "qk.json") << other;
  EXPECT_TRUE(refuses([&] { VllmHookRun{folder.path()}; }, {"tp_rank_1", "differs", "one run"}));
  other["tp_rank"] = 0;
  std::ofstream(folder.path() / "tp_rank_1" / "qk.json") << other;
  EXPECT_TRUE(refuses([&] { VllmHookRun{folder.path()}; }, {"\"tp_rank\" is 0", "tp_rank_1"}));
}

TEST(VllmHook, AnAssumedHeadSizeIsRefusedWithoutTheModelsOwn) {
  const TemporaryFolder folder;
  json info = config_with("head_dim", 2);
  info["config"]["hidden_size"] = 8;
  write_rank(folder.path(), 0, info, tiny_tensors());
  EXPECT_TRUE(refuses(
      [&] { VllmHookRun{folder.path()}; },
      {"qk.safetensors", "12 columns", "4 heads of 2", "hidden_size / num_attention_heads", "model's configuration"}));
  EXPECT_EQ(VllmHookRun(folder.path(), kHeads).heads(), kHeads);
  EXPECT_TRUE(refuses([&] { VllmHookRun(folder.path(), HeadShape{4, 4, 3}); }, {"6 columns", "4 heads of 3"}));
  EXPECT_TRUE(refuses([&] { VllmHookRun(folder.path(), HeadShape{4, 3, 3}); }, {"4 heads over 3 KV heads"}));
}

TEST(VllmHook, WhatTheFileCannotMeanIsRefused) {
  EXPECT_TRUE(refused_info(json::array(), {"\"config\" is missing"}));
  EXPECT_TRUE(refused_info(info_with("hookq_mode", "last_token"), {"last_token", "all_tokens", "record again"}));
  EXPECT_TRUE(refused_info(info_with("seq_lens", nullptr), {"\"seq_lens\" is null", "a list"}));
  EXPECT_TRUE(refused_info(info_with("seq_lens", {5}), {"\"seq_lens\" has 1 lengths", "2 entries"}));
  EXPECT_TRUE(refused_info(info_with("seq_lens", {0, 0}), {"\"seq_lens\" has 2 lengths, 2 of them 0"}));
  EXPECT_TRUE(refused_info(info_with("seq_lens", {5, -3}), {"holds -3 at 1"}));
  EXPECT_TRUE(refused_info(info_with("layer_order", json::array()), {"\"layer_order\" is empty", "important_heads"}));
  EXPECT_TRUE(refused_info(config_with("num_attention_heads", 0), {"\"num_attention_heads\" is 0"}));
  EXPECT_TRUE(refused_info(config_with("num_key_value_heads", 3), {"4 heads over 3 KV heads"}));
  EXPECT_TRUE(refused_info(config_with("attention_multiplier", 0), {"\"attention_multiplier\" is 0", "positive"}));
  json info = tiny_info();
  info["layer_order"][0]["layer_num"] = 2;
  EXPECT_TRUE(refused_info(info, {"layer 2, but not layer 1", "important_heads"}));
  info["layer_order"][0]["layer_num"] = 0;
  EXPECT_TRUE(refused_info(info, {"layer 0 twice"}));
}

TEST(VllmHook, TensorsThatDoNotFitAreRefused) {
  const auto refused = [](const json& info, const std::vector<TensorToWrite>& tensors,
                          const std::vector<std::string_view>& parts) {
    const TemporaryFolder folder;
    write_rank(folder.path(), 0, info, tensors);
    return refuses([&] { VllmHookRun{folder.path()}; }, parts);
  };
  EXPECT_TRUE(refused(info_with("seq_lens", {4, 3}), tiny_tensors(), {"[2, 5, 12]", "at most 4 tokens"}));
  std::vector<TensorToWrite> tensors = tiny_tensors();
  tensors[3].shape = {2, 10, 3};  // more keys than queries
  EXPECT_TRUE(refused(tiny_info(), tensors, {"model__layers__1__self_attn__attn__k", "[2, 10, 3]"}));
  tensors = tiny_tensors();
  tensors.erase(tensors.begin());
  EXPECT_TRUE(refused(tiny_info(), tensors, {"qk.safetensors", "model__layers__0__self_attn__attn__q"}));
  tensors = tiny_tensors();
  tensors[0] = testing::tensor_to_write(tensor_name(0, 'q'), {2, 12});  // last tokens only
  EXPECT_TRUE(refused(tiny_info(), tensors, {"[2, 12]", "2 entries"}));
}

TEST(VllmHook, NumbersThatAreNotFiniteAreRefusedWhereTheyStand) {
  const TemporaryFolder folder;
  std::vector<TensorToWrite> tensors = tiny_tensors();
  tensors[0].fill = [](std::size_t, std::span<std::byte> bytes) {
    const float bad = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(&bytes[((1 * 5 + 2) * 12 + 4) * sizeof bad], &bad, sizeof bad);
  };
  write_rank(folder.path(), 0, tiny_info(), tensors);
  const VllmHookRun run(folder.path());
  std::vector<float> values(9);
  run.read_queries(0, 0, 1, {0, 3}, values);
  EXPECT_TRUE(refuses(
      [&] {
        run.read_queries(0, 1, 1, {0, 3}, values);
      },
      {"qk.safetensors", tensor_name(0, 'q'), "nan", "1, 2, 4"}));
}

TEST(VllmHook, EntriesAreTextsOrTheirParts) {
  const TemporaryFolder folder;
  write_run(folder.path(), 1);
  const VllmHookRun run(folder.path());
  using Entries = std::vector<std::vector<std::int64_t>>;
  const auto entries = [&](const std::vector<RecordedText>& texts) { return run.entries_of(texts); };
  EXPECT_EQ(entries({{"a", 8}}), (Entries{{0, 1}}));
  EXPECT_EQ(entries({{"a", 3}, {"b", 5}}), (Entries{{1}, {0}}));
  const auto refused = [&](const std::vector<RecordedText>& texts, const std::vector<std::string_view>& parts) {
    return refuses([&] { entries(texts); }, parts);
  };
  EXPECT_TRUE(refused({{"a", 9}}, {"8 tokens", "'a' has 9", "enable_prefix_caching=False"}));
  EXPECT_TRUE(refused({{"a", 5}}, {"8 tokens", "'a' has 5"}));
  EXPECT_TRUE(refused({{"a", 5}, {"b", 4}}, {"4 tokens of the text 'b'", "enable_prefix_caching=False"}));
  EXPECT_TRUE(refused({{"a", 5}, {"b", 5}}, {"'a' and 'b' both have 5", "run of its own"}));
  EXPECT_TRUE(refused({{"a", 5}, {"b", 3}, {"c", 1}}, {"2 entries", "3 texts"}));
  EXPECT_TRUE(refused({}, {"2 entries", "0 texts"}));
}

}  // namespace
}  // namespace logitfield::io
