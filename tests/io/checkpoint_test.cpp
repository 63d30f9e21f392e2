#include "io/checkpoint/checkpoint.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/io/tiny_checkpoint.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using testing::refuses;
using testing::TemporaryFolder;
using testing::tensor_to_write;
using testing::tiny_config;
using testing::tiny_tensors;
using testing::tiny_value;
using testing::write_checkpoint;

constexpr const char* embed = "model.embed_tokens.weight";
constexpr const char* head = "lm_head.weight";
constexpr const char* down = "model.layers.1.mlp.down_proj.weight";

json tied_config() {
  json config = tiny_config();
  config["tie_word_embeddings"] = true;
  return config;
}

std::vector<TensorToWrite> without(std::vector<TensorToWrite> tensors, std::string_view name) {
  std::erase_if(tensors, [&](const auto& tensor) { return tensor.name == name; });
  return tensors;
}

std::vector<TensorToWrite> replaced(std::vector<TensorToWrite> tensors, TensorToWrite tensor) {
  tensors = without(std::move(tensors), tensor.name);
  tensors.push_back(std::move(tensor));
  return tensors;
}

std::vector<float> read_block(const Checkpoint& checkpoint, const std::string& name, Slice rows, Slice columns) {
  std::vector<float> values(static_cast<std::size_t>(rows.size() * columns.size()));
  checkpoint.weight(name).read(rows, columns, std::span(values));
  return values;
}

/// Splits the tensors into two shards and writes an index for them.
json write_shards(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors) {
  write_checkpoint(folder, tiny_config(), {});
  std::filesystem::remove(folder / "model.safetensors");
  const std::span all(tensors);
  json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", json::object()}};
  for (const auto& [name, part] :
       {std::pair("a.safetensors", all.first(7)), std::pair("b.safetensors", all.subspan(7))}) {
    write_safetensors(folder / name, part);
    for (const auto& tensor : part) index["weight_map"][tensor.name] = name;
  }
  std::ofstream(folder / "model.safetensors.index.json") << index;
  return index;
}

/// Whether a checkpoint of these tensors is refused with every part named.
::testing::AssertionResult refused_checkpoint(const json& config, const std::vector<TensorToWrite>& tensors,
                                              const std::vector<std::string_view>& parts) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), config, tensors);
  return refuses([&] { Checkpoint{folder.path()}; }, parts);
}

/// Whether a sharded checkpoint with this change of its index is refused with every part named.
::testing::AssertionResult refused_index(const std::function<void(json&)>& change,
                                         std::vector<std::string_view> parts) {
  const TemporaryFolder folder;
  json index = write_shards(folder.path(), tiny_tensors(tiny_config()));
  change(index);
  folder.write("model.safetensors.index.json", index.dump());
  return refuses([&] { Checkpoint{folder.path()}; }, parts);
}

class CheckpointOf : public ::testing::TestWithParam<DType> {};

TEST_P(CheckpointOf, EveryValueIsRead) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), tiny_config(), tiny_tensors(tiny_config(), GetParam()));
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.weights().size(), 2U * 9 + 3);
  for (const StoredWeight* weight : checkpoint.weights()) {
    const std::string& name = weight->name();
    const auto values = read_block(checkpoint, name, {0, weight->num_rows()}, {0, weight->num_columns()});
    ASSERT_EQ(values.size() * dtype_size(GetParam()), weight->num_bytes());
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], tiny_value(name, i)) << name;
  }
}

TEST_P(CheckpointOf, BlocksEqualTheSameBlockOfTheWhole) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), tiny_config(), tiny_tensors(tiny_config(), GetParam()));
  const Checkpoint checkpoint(folder.path());
  const StoredWeight& weight = checkpoint.weight(down);
  const std::int64_t width = weight.num_columns();
  for (const Slice rows : {Slice{0, 8}, Slice{3, 5}, Slice{7, 8}, Slice{4, 4}}) {
    for (const Slice columns : {Slice{0, width}, Slice{0, 6}, Slice{5, width}, Slice{2, 2}}) {
      weight.prefetch(rows, columns);
      const auto block = read_block(checkpoint, down, rows, columns);
      std::vector<std::uint16_t> bits(block.size());
      weight.read(rows, columns, std::span(bits));
      std::size_t next = 0;
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        for (std::int64_t column = columns.begin; column < columns.end; ++column) {
          ASSERT_EQ(block[next], tiny_value(down, static_cast<std::size_t>(row * width + column)));
          ASSERT_EQ(std::bit_cast<float>(std::uint32_t{bits[next]} << 16), block[next]);
          ++next;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CheckpointOf, ::testing::Values(DType::F32, DType::F16, DType::BF16),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(Checkpoint, LargeBlocksAreReadAgainAfterTheirPagesWereReleased) {
  const TemporaryFolder folder;
  json config = tiny_config();
  config["vocab_size"] = 100'000;
  write_checkpoint(folder.path(), config, tiny_tensors(config));
  const Checkpoint checkpoint(folder.path());
  const auto first = read_block(checkpoint, embed, {0, 100'000}, {0, 8});
  EXPECT_EQ(read_block(checkpoint, embed, {0, 100'000}, {0, 8}), first);
  EXPECT_EQ(first.back(), tiny_value(embed, 799'999));
}

TEST(Checkpoint, BlocksOutsideATensorAreProgrammingErrors) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), tiny_config(), tiny_tensors(tiny_config()));
  const Checkpoint checkpoint(folder.path());
  EXPECT_THROW(read_block(checkpoint, down, {0, 9}, {0, 12}), std::invalid_argument);
  EXPECT_THROW(read_block(checkpoint, down, {-1, 1}, {0, 12}), std::invalid_argument);
  EXPECT_THROW(read_block(checkpoint, down, {0, 1}, {0, 13}), std::invalid_argument);
  std::vector<float> small(3);
  EXPECT_THROW(checkpoint.weight(down).read({0, 1}, {0, 12}, std::span(small)), std::invalid_argument);
}

TEST(Checkpoint, UntiedEmbeddingsAreTwoTensors) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), tiny_config(), tiny_tensors(tiny_config()));
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.input_embedding().name(), embed);
  EXPECT_EQ(checkpoint.output_embedding().name(), head);
  EXPECT_TRUE(checkpoint.has_output() && checkpoint.notices().empty());
  EXPECT_TRUE(refused_checkpoint(tiny_config(), without(tiny_tensors(tiny_config()), embed), {embed, "no file holds"}));
}

TEST(Checkpoint, ABackboneHasNoOutput) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), tiny_config(), without(tiny_tensors(tiny_config()), head));
  const Checkpoint checkpoint(folder.path());
  EXPECT_FALSE(checkpoint.has_output());
  EXPECT_EQ(checkpoint.weights().size(), 2U * 9 + 2);
  EXPECT_EQ(checkpoint.notices(),
            std::vector<std::string>{"no file holds lm_head.weight: the next-token loss is left out"});
}

TEST(Checkpoint, TiedEmbeddingsAreWhicheverIsThere) {
  const auto both = tiny_tensors(tiny_config());
  for (const auto& [missing, used] : {std::pair(head, embed), std::pair(embed, head)}) {
    const TemporaryFolder folder;
    write_checkpoint(folder.path(), tied_config(), without(both, missing));
    const Checkpoint checkpoint(folder.path());
    EXPECT_EQ(checkpoint.input_embedding().name(), used);
    EXPECT_EQ(&checkpoint.input_embedding(), &checkpoint.output_embedding());
    EXPECT_EQ(checkpoint.weights().size(), 2U * 9 + 2);
    EXPECT_TRUE(checkpoint.notices().empty());
  }
  EXPECT_TRUE(refused_checkpoint(tied_config(), without(without(both, head), embed), {head, "no file holds"}));
}

// As transformers 5, which does not tie what the file keeps apart.
TEST(Checkpoint, TiedEmbeddingsThatTheFilesKeepApartAreTwoTensors) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), tied_config(), tiny_tensors(tiny_config()));
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.input_embedding().name(), embed);
  EXPECT_EQ(checkpoint.output_embedding().name(), head);
  EXPECT_EQ(checkpoint.weights().size(), 2U * 9 + 3);
  ASSERT_EQ(checkpoint.notices().size(), 1);
  EXPECT_NE(checkpoint.notices()[0].find("lm_head.weight"), std::string::npos);
}

TEST(Checkpoint, PrefixesOfWrappersAreNamed) {
  for (const auto& [prefix, remedy] : {std::pair("_orig_mod.", "torch.compile"), std::pair("module.", "data parallel"),
                                       std::pair("base_model.model.", "merge_and_unload")}) {
    auto tensors = tiny_tensors(tiny_config());
    for (auto& tensor : tensors) tensor.name = prefix + tensor.name;
    EXPECT_TRUE(refused_checkpoint(tiny_config(), tensors, {"model.safetensors", prefix, remedy}));
  }
}

TEST(Checkpoint, EmptyTensorsAreThoseOfZero3) {
  auto tensors = tiny_tensors(tiny_config());
  for (auto& tensor : tensors) tensor.shape = {0}, tensor.fill = [](std::size_t, std::span<std::byte>) {};
  EXPECT_TRUE(refused_checkpoint(tiny_config(), tensors, {"model.safetensors", "is empty", "zero_to_fp32.py"}));
}

TEST(Checkpoint, WhatIsNoCheckpointFolderIsNamedWithWhatToDo) {
  const TemporaryFolder folder;
  const auto refused = [](const std::filesystem::path& path, std::vector<std::string_view> parts) {
    return refuses([&] { Checkpoint checkpoint(path); }, parts);
  };
  const auto file = folder.write("some.safetensors", "x");
  EXPECT_TRUE(refused(file, {"some.safetensors", "is a file", "folder"}));
  EXPECT_TRUE(refused("somebody/model-7B", {"somebody/model-7B", "`hf download somebody/model-7B`"}));
  EXPECT_TRUE(refused(folder.path() / "nothing", {"nothing", "no such folder"}));
  folder.write("config.json", tiny_config().dump());
  EXPECT_TRUE(refused(folder.path(), {"model.safetensors.index.json", "rename a single file"}));
  folder.write("adapter_config.json", "{}");
  EXPECT_TRUE(refused(folder.path(), {"merge_and_unload"}));
  std::filesystem::remove(file);
  std::filesystem::remove(folder.path() / "adapter_config.json");
  folder.write("model.gguf", "x");
  EXPECT_TRUE(refused(folder.path(), {"GGUF", "first of its parts"}));
  folder.write("pytorch_model.bin", "x");
  EXPECT_TRUE(refused(folder.path(), {"pickles", "save_pretrained"}));
  folder.write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n");
  EXPECT_TRUE(refused(folder.path(), {"model.safetensors", "Git LFS pointer", "git lfs pull"}));
}

TEST(Checkpoint, ASingleFileGoesBeforeAnIndex) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), tiny_config(), tiny_tensors(tiny_config()));
  folder.write("model.safetensors.index.json", "no JSON");
  const Checkpoint checkpoint(folder.path());
  ASSERT_EQ(checkpoint.notices().size(), 1);
  EXPECT_NE(checkpoint.notices()[0].find("model.safetensors.index.json is not used"), std::string::npos);
}

TEST(Checkpoint, BiasesAreAskedFor) {
  json config = tiny_config();
  config["model_type"] = "qwen2";
  const auto tensors = tiny_tensors(config);
  EXPECT_EQ(tensors.size(), 2U * 12 + 3);
  const char* bias = "model.layers.0.self_attn.k_proj.bias";
  EXPECT_TRUE(refused_checkpoint(config, without(tensors, bias), {bias, "no file holds"}));
}

TEST(Checkpoint, RefusesMissingTensorsOtherShapesAndOtherTypes) {
  const auto good = tiny_tensors(tiny_config());
  EXPECT_TRUE(refused_checkpoint(tiny_config(), without(good, down), {down, "no file holds"}));
  EXPECT_TRUE(
      refused_checkpoint(tiny_config(), without(good, "model.norm.weight"), {"model.norm.weight", "no file holds"}));
  EXPECT_TRUE(refused_checkpoint(tiny_config(), replaced(good, tensor_to_write(down, {12, 8})),
                                 {"model.safetensors", down, "[12, 8]", "[8, 12]", "config.json"}));
  EXPECT_TRUE(refused_checkpoint(tiny_config(), replaced(good, tensor_to_write(embed, {11, 8})),
                                 {embed, "[11, 8]", "[10, 8]"}));
  auto doubles = tensor_to_write(down, {8, 12});
  doubles.dtype = DType::F64;
  doubles.fill = [](std::size_t, std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{0}); };
  EXPECT_TRUE(refused_checkpoint(tiny_config(), replaced(good, doubles),
                                 {"model.safetensors", down, "F64", "BF16", "convert"}));
}

TEST(Checkpoint, TooManyLayersFailAtTheFirstMissingOne) {
  json config = tiny_config();
  const auto tensors = tiny_tensors(config);
  config["num_hidden_layers"] = 2147483647;
  EXPECT_TRUE(refused_checkpoint(config, tensors, {"num_hidden_layers", "2147483647"}));
  config["num_hidden_layers"] = 3;
  EXPECT_TRUE(refused_checkpoint(config, tensors, {"model.layers.2.", "no file holds"}));
}

TEST(Checkpoint, TensorsThatTheModelDoesNotNeedAreIgnored) {
  const TemporaryFolder folder;
  const char* extra = "model.layers.0.self_attn.rotary_emb.inv_freq";
  write_checkpoint(folder.path(), tiny_config(), replaced(tiny_tensors(tiny_config()), tensor_to_write(extra, {1})));
  const Checkpoint checkpoint(folder.path());
  for (const StoredWeight* weight : checkpoint.weights()) EXPECT_NE(weight->name(), extra);
}

TEST(Checkpoint, RefusesTensorsOfALayerThatTheConfigurationHasNoPlaceFor) {
  for (const char* name : {"model.layers.0.self_attn.q_proj.bias", "model.layers.1.self_attn.q_norm.weight",
                           "model.layers.2.mlp.up_proj.weight"}) {
    auto tensors = tiny_tensors(tiny_config());
    tensors.push_back(tensor_to_write(name, {8}));
    EXPECT_TRUE(refused_checkpoint(tiny_config(), tensors, {"model.safetensors", name, "config.json"}));
  }
}

TEST(Checkpoint, RefusesFoldersWithoutWeightsOrConfiguration) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { Checkpoint{folder.path()}; }, {"config.json", "No such file"}));
  folder.write("config.json", tiny_config().dump());
  EXPECT_TRUE(refuses([&] { Checkpoint{folder.path()}; },
                      {folder.path().string(), "model.safetensors", "model.safetensors.index.json"}));
}

TEST(Checkpoint, ShardsTogetherHoldTheModel) {
  const TemporaryFolder folder;
  const auto tensors = tiny_tensors(tiny_config());
  write_shards(folder.path(), tensors);
  const Checkpoint checkpoint(folder.path());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto file = checkpoint.weight(tensors[i].name).parts().front().file->path();
    EXPECT_EQ(file.filename(), i < 7 ? "a.safetensors" : "b.safetensors");
  }
  EXPECT_EQ(read_block(checkpoint, down, {1, 2}, {3, 4}).front(), tiny_value(down, 12 + 3));
}

TEST(Checkpoint, RefusesAnIndexOfAnotherForm) {
  const char* index = "model.safetensors.index.json";
  EXPECT_TRUE(refused_index([](json& j) { j = json::array(); }, {index, "weight_map"}));
  EXPECT_TRUE(refused_index([](json& j) { j.erase("weight_map"); }, {index, "weight_map"}));
  EXPECT_TRUE(refused_index([](json& j) { j["weight_map"] = 1; }, {index, "weight_map"}));
  EXPECT_TRUE(refused_index([](json& j) { j["weight_map"][down] = 1; }, {index, down, "1"}));
}

TEST(Checkpoint, RefusesAnIndexThatLeavesTheFolder) {
  for (const std::string name : {"../a.safetensors", "/etc/passwd", "..", ".", "", "sub/a.safetensors"}) {
    EXPECT_TRUE(refused_index([&](json& j) { j["weight_map"][down] = name; },
                              {"index.json", down, "\"" + name + "\"", "inside this folder"}));
  }
  EXPECT_TRUE(refused_index([](json& j) { j["weight_map"][down] = std::string("a\0b", 3); }, {"index.json", down}));
}

TEST(Checkpoint, RefusesAnIndexThatNamesWhatIsNotThere) {
  EXPECT_TRUE(refused_index([](json& j) { j["weight_map"][down] = "c.safetensors"; },
                            {"index.json", down, "c.safetensors", "missing"}));
  EXPECT_TRUE(refused_index([](json& j) { j["weight_map"][embed] = "b.safetensors"; }, {"b.safetensors", embed}));
  EXPECT_TRUE(refused_index([](json& j) { j["weight_map"]["ghost"] = "b.safetensors"; }, {"b.safetensors", "ghost"}));
}

TEST(Checkpoint, RefusesATensorInTwoShards) {
  const TemporaryFolder folder;
  auto tensors = tiny_tensors(tiny_config());
  tensors.push_back(tensors.front());
  write_shards(folder.path(), tensors);
  EXPECT_TRUE(refuses([&] { Checkpoint{folder.path()}; }, {"b.safetensors", tensors.front().name, "a.safetensors"}));
}

TEST(Checkpoint, HashesTellNameTypeShapeAndBytesApart) {
  const auto hash_of = [](const TensorToWrite& written) {
    const TemporaryFolder folder;
    write_checkpoint(folder.path(), tied_config(), {written});
    const SafetensorsFile file(folder.path() / "model.safetensors");
    const auto find = [&](const std::string& name) { return std::optional(FileTensor{&file, &file.at(name)}); };
    return open_weight({written.name, written.shape, {}, find})->check_and_hash().hash;
  };
  const auto zeros = [](const char* name, std::vector<std::int64_t> shape, DType dtype) {
    const auto fill = [](std::size_t, std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{0}); };
    return TensorToWrite{name, dtype, std::move(shape), fill};
  };
  const std::vector<std::uint64_t> hashes = {hash_of(zeros("x", {4}, DType::F16)), hash_of(zeros("y", {4}, DType::F16)),
                                             hash_of(zeros("x", {2, 2}, DType::F16)),
                                             hash_of(zeros("x", {4}, DType::BF16)),
                                             hash_of(tensor_to_write("x", {4}, DType::F16))};
  for (std::size_t i = 0; i < hashes.size(); ++i) EXPECT_EQ(std::ranges::count(hashes, hashes[i]), 1) << i;
  EXPECT_EQ(hash_of(zeros("x", {4}, DType::F16)), hashes[0]);
}

TEST(Checkpoint, ValuesThatAreNotFiniteAreNamed) {
  constexpr std::int64_t rows = 300'000;
  for (const auto& [dtype, bad, text] : {std::tuple(DType::F32, std::numeric_limits<float>::infinity(), "inf"),
                                         std::tuple(DType::BF16, std::numeric_limits<float>::quiet_NaN(), "nan")}) {
    auto tensor = tensor_to_write(embed, {rows, 8}, dtype);
    tensor.fill = [type = dtype, value = bad](std::size_t first, std::span<std::byte> bytes) {
      std::ranges::fill(bytes, std::byte{0});
      const std::size_t place = (rows - 1) * 8 + 5;
      const std::size_t width = dtype_size(type);
      if (place < first || place >= first + bytes.size() / width) return;
      std::ranges::copy(testing::encode(type, value),
                        bytes.begin() + static_cast<std::ptrdiff_t>((place - first) * width));
    };
    const TemporaryFolder folder;
    json config = tied_config();
    config["vocab_size"] = rows;
    write_checkpoint(folder.path(), config, replaced(without(tiny_tensors(config), embed), tensor));
    const Checkpoint checkpoint(folder.path());
    EXPECT_TRUE(refuses([&] { checkpoint.input_embedding().check_and_hash(); },
                        {"model.safetensors", embed, text, "[299999, 5]"}));
  }
}

}  // namespace
}  // namespace logitfield::io
