// Every format compared with its reference, bit for bit: tests/fixtures/quantised/blocks, made by
// tests/development/make_quantised_fixtures.py. For GPTQ and AWQ that script itself is the reference.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "io/json.hpp"
#include "io/safetensors_writer.hpp"
#include "io/weights/tensor_check.hpp"
#include "io/weights/weight_formats.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using testing::refuses;
using testing::TemporaryFolder;

const std::filesystem::path kBlocks = std::filesystem::path(FIXTURES) / "quantised/blocks";

/// A weight "m.weight" of one of the files, with what the reference makes of it.
struct Case {
  explicit Case(const std::filesystem::path& path, const json& config)
      : file(path), quantisation(read_quantisation({"config.json", config})) {}

  std::unique_ptr<StoredWeight> open(std::vector<std::int64_t> shape) const {
    return open_weight(
        {"m.weight", std::move(shape), quantisation, [this](const std::string& name) {
           return file.tensors().contains(name) ? std::optional(FileTensor{&file, &file.at(name)}) : std::nullopt;
         }});
  }
  std::unique_ptr<StoredWeight> open() const { return open(file.at("expected").shape); }

  SafetensorsFile file;
  Quantisation quantisation;
};

json format_configs() { return read_json(kBlocks / "configs.json"); }

std::vector<float> block(const StoredWeight& weight, Slice rows, Slice columns) {
  std::vector<float> out(static_cast<std::size_t>(rows.size() * columns.size()));
  weight.read(rows, columns, std::span(out));
  return out;
}

class Format : public ::testing::TestWithParam<std::string> {
 protected:
  Case load() const { return Case(kBlocks / (GetParam() + ".safetensors"), format_configs().at(GetParam())); }
};

TEST_P(Format, EveryNumberIsThatOfTheReference) {
  const Case c = load();
  const auto weight = c.open();
  ASSERT_TRUE(weight);
  const auto values = block(*weight, {0, weight->num_rows()}, {0, weight->num_columns()});
  ASSERT_EQ(values.size() * sizeof(float), c.file.at("expected").data.size());
  EXPECT_EQ(std::memcmp(values.data(), c.file.at("expected").data.data(), values.size() * sizeof(float)), 0);
  std::vector<std::uint16_t> bits(values.size());
  weight->read({0, weight->num_rows()}, {0, weight->num_columns()}, std::span(bits));
  EXPECT_EQ(std::memcmp(bits.data(), c.file.at("expected_bf16").data.data(), bits.size() * sizeof bits[0]), 0);
}

TEST_P(Format, BlocksEqualTheSameBlockOfTheWhole) {
  const Case c = load();
  const auto weight = c.open();
  const std::int64_t rows = weight->num_rows(), width = weight->num_columns();
  const auto whole = block(*weight, {0, rows}, {0, width});
  for (const Slice r : {Slice{0, rows}, Slice{3, rows - 5}, Slice{rows - 1, rows}, Slice{4, 4}}) {
    for (const Slice k : {Slice{0, width}, Slice{5, width - 3}, Slice{width - 1, width}, Slice{17, 18}}) {
      weight->prefetch(r, k);
      const auto part = block(*weight, r, k);
      for (std::int64_t i = 0; i < r.size(); ++i) {
        ASSERT_EQ(std::memcmp(&part[i * k.size()], &whole[(r.begin + i) * width + k.begin], k.size() * sizeof(float)),
                  0);
      }
    }
  }
  EXPECT_THROW(block(*weight, {0, rows + 1}, {0, width}), std::invalid_argument);
}

TEST_P(Format, EveryStoredBitIsHashed) {
  const TemporaryFolder folder;
  const Case c = load();
  const auto weight = c.open();
  const std::uint64_t hash = weight->check_and_hash().hash;
  EXPECT_EQ(weight->check_and_hash().hash, hash);
  for (const StoredPart& part : weight->parts()) {
    if (part.name == "m.g_idx") continue;  // the group might not be there
    std::filesystem::copy_file(kBlocks / (GetParam() + ".safetensors"), folder.path() / "m.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    std::fstream file(folder.path() / "m.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    const auto place = part.bytes.data() - c.file.file().bytes().data();
    const auto changed = static_cast<char>(part.bytes[0] ^ std::byte{1});
    file.seekp(place).write(&changed, 1);
    file.close();
    EXPECT_NE(Case(folder.path() / "m.safetensors", format_configs().at(GetParam())).open()->check_and_hash().hash,
              hash)
        << part.name;
  }
}

/// In whichever tensor of the weight, and however it is read.
TEST_P(Format, AFileThatChangesAfterTheFirstReadingIsRefused) {
  const Case original = load();
  const std::size_t num_parts = original.open()->parts().size();
  for (std::size_t i = 0; i < num_parts; ++i) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "m.safetensors";
    std::filesystem::copy_file(kBlocks / (GetParam() + ".safetensors"), path);
    const Case c(path, format_configs().at(GetParam()));
    const auto weight = c.open();
    weight->expect(weight->check_and_hash().blocks);
    const Slice rows{0, weight->num_rows()}, columns{0, weight->num_columns()};
    EXPECT_NO_THROW(block(*weight, rows, columns));
    const StoredPart& part = weight->parts()[i];
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto changed = static_cast<char>(part.bytes.back() ^ std::byte{1});
    file.seekp(part.bytes.data() + part.bytes.size() - 1 - c.file.file().bytes().data()).write(&changed, 1);
    file.close();
    // A group that is not there is found while it is used.
    const bool tells_groups = part.name.ends_with("g_idx") && GetParam() != "int4_group_no_order";
    const std::string_view told = tells_groups ? "repair the file" : "changed while";
    EXPECT_TRUE(refuses([&] { block(*weight, rows, columns); }, {"m.safetensors", part.name, told}));
    EXPECT_TRUE(refuses([&] { block(*weight, {0, 1}, {0, 1}); }, {"m.safetensors", part.name, "changed while"}));
  }
}

TEST_P(Format, AShapeOfAnotherModelIsRefused) {
  const Case c = load();
  const std::vector<std::int64_t>& shape = c.file.at("expected").shape;
  EXPECT_TRUE(refuses(
      [&] {
        c.open({shape[0] + 32, shape[1]});
      },
      {GetParam() + ".safetensors", "tensor \"m", "config.json"}));
  EXPECT_TRUE(refuses(
      [&] {
        c.open({shape[0], shape[1] + 32});
      },
      {GetParam() + ".safetensors", "tensor \"m", "config.json"}));
}

std::vector<std::string> format_names() {
  std::vector<std::string> out;
  const json all = format_configs();
  for (const auto& [name, config] : all.items()) out.push_back(name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, Format, ::testing::ValuesIn(format_names()), [](const auto& test) { return test.param; });

/// A copy of one of the files with one tensor left out, or with its bytes changed.
class Damaged {
 public:
  Damaged(const std::string& name, const std::string& tensor, std::optional<std::vector<std::uint8_t>> bytes)
      : config_(format_configs().at(name)), path_(folder_.path() / "damaged.safetensors") {
    const SafetensorsFile source(kBlocks / (name + ".safetensors"));
    std::vector<TensorToWrite> all;
    for (const auto& [key, from] : source.tensors()) {
      if (key == tensor && !bytes) continue;
      std::vector<std::byte> data(from.data.begin(), from.data.end());
      if (key == tensor) std::memcpy(data.data(), bytes->data(), bytes->size());
      all.push_back({key, from.dtype, from.shape, [data](std::size_t first, std::span<std::byte> out) {
                       std::memcpy(out.data(), data.data() + first, out.size());
                     }});
    }
    write_safetensors(path_, all);
  }
  Case load() const { return Case(path_, config_); }

 private:
  TemporaryFolder folder_;
  json config_;
  std::filesystem::path path_;
};

TEST(QuantisedWeights, AMissingTensorIsNamed) {
  for (const auto& [name, tensor] :
       {std::pair("fp8_block", "m.weight_scale_inv"), std::pair("fp8_channel", "m.weight_scale"),
        std::pair("mxfp4", "m_scales"), std::pair("gptq", "m.scales"), std::pair("gptq", "m.qzeros"),
        std::pair("awq", "m.scales"), std::pair("awq", "m.qzeros"), std::pair("int4_group", "m.weight_scale"),
        std::pair("int4_group_order", "m.weight_zero_point"), std::pair("int4_group_order", "m.weight_g_idx"),
        std::pair("int8_channel", "m.weight_scale"), std::pair("int8_channel_zeros", "m.weight_zero_point")}) {
    const Damaged damaged(name, tensor, std::nullopt);
    EXPECT_TRUE(refuses([&] { damaged.load().open(); }, {"damaged.safetensors", tensor, "complete the checkpoint"}));
  }
}

TEST(QuantisedWeights, ScalesThatAreNoNumbersAreNamed) {
  for (const auto& [name, tensor, bytes] :
       {std::tuple("fp8_block", "m.weight_scale_inv", std::vector<std::uint8_t>{0, 0, 0xc0, 0x7f}),
        std::tuple("fp8_channel", "m.weight_scale", std::vector<std::uint8_t>{0xc0, 0x7f}),
        std::tuple("mxfp4", "m_scales", std::vector<std::uint8_t>{255}),
        std::tuple("gptq", "m.scales", std::vector<std::uint8_t>{0, 0x7e}),
        std::tuple("awq", "m.scales", std::vector<std::uint8_t>{0, 0x7e}),
        std::tuple("int4_group_zeros", "m.weight_scale", std::vector<std::uint8_t>{0, 0x7e})}) {
    const Damaged damaged(name, tensor, bytes);
    EXPECT_TRUE(
        refuses([&] { damaged.load().open()->check_and_hash(); }, {"damaged.safetensors", tensor, "nan", "repair"}));
  }
}

TEST(QuantisedWeights, NumbersThatAreNotFiniteAreNamed) {
  const Damaged damaged("fp8_block", "m.weight", std::vector<std::uint8_t>{0, 0xff});
  EXPECT_TRUE(refuses([&] { damaged.load().open()->check_and_hash(); },
                      {"damaged.safetensors", "m.weight", "nan", "[0, 1]", "repair"}));
}

TEST(QuantisedWeights, ANumberOfAStackIsNamedWithItsExpert) {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, std::numeric_limits<float>::quiet_NaN()};
  const auto fill = [&](std::size_t first, std::span<std::byte> out) {
    std::memcpy(out.data(), std::as_bytes(std::span(values)).data() + first, out.size());
  };
  write_safetensors(folder.path() / "x.safetensors",
                    std::vector<TensorToWrite>{{"e.weight", DType::F32, {3, 2, 1}, fill}});
  const SafetensorsFile file(folder.path() / "x.safetensors");
  const auto find = [&](const std::string& name) {
    return file.tensors().contains(name) ? std::optional(FileTensor{&file, &file.at(name)}) : std::nullopt;
  };
  EXPECT_NO_THROW(open_weight({"e[1].weight", {2, 1}, {}, find})->check_and_hash());
  EXPECT_TRUE(refuses(
      [&] {
        open_weight({"e[2].weight", {2, 1}, {}, find})->check_and_hash();
      },
      {"x.safetensors", "e.weight", "nan", "[expert, row, column] = [2, 1, 0]"}));
}

TEST(QuantisedWeights, AGroupThatIsNotThereIsNamed) {
  for (const auto& [name, tensor] :
       {std::pair("gptq_act_order", "m.g_idx"), std::pair("int4_group_order", "m.weight_g_idx")}) {
    for (const std::uint8_t byte : {std::uint8_t{0}, std::uint8_t{255}}) {
      const Damaged damaged(name, tensor, std::vector<std::uint8_t>{200, byte, byte, byte});
      const std::string value = byte == 0 ? "200" : "-56";
      EXPECT_TRUE(refuses([&] { damaged.load().open()->check_and_hash(); }, {"damaged.safetensors", tensor, value}));
    }
  }
}

TEST(QuantisedWeights, AnotherShapeThanThatOfTheConfigurationIsNamed) {
  const Damaged damaged("int4_group", "m.weight_shape", std::vector<std::uint8_t>{43});
  EXPECT_TRUE(refuses([&] { damaged.load().open(); }, {"m.weight_shape", "[43, 96]", "[44, 96]", "config.json"}));
}

TEST(QuantisedWeights, WhatIsNotReadIsRefusedByName) {
  const auto refused = [](const json& config, std::vector<std::string_view> parts) {
    return refuses([&] { read_quantisation({"config.json: quantization_config", config}); }, parts);
  };
  EXPECT_TRUE(refused({{"quant_method", "bitsandbytes"}}, {"config.json", "quant_method", "bitsandbytes", "gptq"}));
  EXPECT_TRUE(refused({{"bits", 4}}, {"quant", "method"}));
  EXPECT_TRUE(refused({{"quant_method", "fp8"}, {"weight_block_size", {0, 128}}}, {"weight_block_size", "[0, 128]"}));
  EXPECT_TRUE(refused({{"quant_method", "fp8"}, {"weight_block_size", {128}}}, {"weight_block_size", "[128]"}));
  EXPECT_TRUE(refused({{"quant_method", "fp8"}, {"fmt", "e5m2"}}, {"fmt", "e5m2"}));
  EXPECT_TRUE(refused({{"quant_method", "gptq"}, {"bits", 5}}, {"bits", "5"}));
  EXPECT_TRUE(refused({{"quant_method", "gptq"}, {"bits", 3}, {"group_size", 32}}, {"bits", "3", "gptq_v2"}));
  EXPECT_TRUE(refused({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 0}}, {"group_size", "0"}));
  EXPECT_TRUE(refused({{"quant_method", "gptq"}, {"bits", 4}, {"checkpoint_format", "marlin"}}, {"marlin"}));
  EXPECT_TRUE(refused({{"quant_method", "gptq"}, {"bits", 4}, {"dynamic", {{"+:x", {{"bits", 8}}}}}}, {"dynamic"}));
  EXPECT_TRUE(refused({{"quant_method", "awq"}, {"bits", 4}, {"version", "gemv"}}, {"version", "gemv"}));
  EXPECT_TRUE(refused({{"quant_method", "compressed-tensors"}, {"format", "marlin-24"}}, {"marlin-24"}));
  const auto group = [](const json& weights) {
    const json own = {{"weights", weights}};
    return json{{"quant_method", "compressed-tensors"}, {"config_groups", {{"group_0", own}}}};
  };
  EXPECT_TRUE(refused(group({{"num_bits", 3}, {"type", "int"}}), {"group_0", "3 bits of type int"}));
  EXPECT_TRUE(refused(group({{"num_bits", 4}, {"type", "float"}}), {"group_0", "4 bits of type float"}));
  EXPECT_TRUE(refused(group({{"num_bits", 8}, {"strategy", "block"}}), {"group_0", "strategy", "block"}));
  EXPECT_TRUE(refused(group({{"num_bits", 4}, {"actorder", "odd"}}), {"group_0", "actorder", "odd"}));
}

// As in published checkpoints of each method.
TEST(QuantisedWeights, PublishedConfigurationsAreRead) {
  const char* published[] = {
      R"({"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]})",
      R"({"activation_scheme": "static", "ignored_layers": ["lm_head"], "kv_cache_scheme": "static",
          "quant_method": "fp8"})",
      R"({"activation_scale_ub": 1200.0, "modules_to_not_convert": ["lm_head"], "quant_method": "fbgemm_fp8"})",
      R"({"config_groups": {"group_0": {"input_activations": {"dynamic": true, "num_bits": 8, "strategy": "token",
          "type": "float"}, "output_activations": null, "targets": ["Linear"], "weights": {"actorder": null,
          "block_structure": null, "dynamic": false, "group_size": null, "num_bits": 8, "observer": "minmax",
          "observer_kwargs": {}, "strategy": "channel", "symmetric": true, "type": "float"}}},
          "format": "float-quantized", "global_compression_ratio": 1.46, "ignore": ["lm_head"],
          "kv_cache_scheme": null, "quant_method": "compressed-tensors", "quantization_status": "compressed",
          "sparsity_config": {}, "transform_config": {}, "version": "0.12.3"})",
      R"({"config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "strategy": "tensor",
          "type": "float"}}}, "format": "naive-quantized", "quant_method": "compressed-tensors",
          "quantization_status": "frozen", "sparsity_config": {"format": "dense", "global_sparsity": 0.14}})",
      R"({"config_groups": {"group_0": {"input_activations": null, "output_activations": null, "targets": ["Linear"],
          "weights": {"actorder": "weight", "block_structure": null, "dynamic": false, "group_size": 128,
          "num_bits": 4, "observer": "minmax", "observer_kwargs": {}, "strategy": "group", "symmetric": true,
          "type": "int"}}}, "format": "pack-quantized", "global_compression_ratio": 1.89, "ignore": ["lm_head"],
          "kv_cache_scheme": null, "quant_method": "compressed-tensors", "quantization_status": "compressed"})",
      R"({"config_groups": {"group_0": {"format": "int-quantized", "input_activations": {"dynamic": true,
          "num_bits": 8, "strategy": "token", "symmetric": true, "type": "int"}, "targets": ["Linear"], "weights":
          {"dynamic": false, "num_bits": 8, "strategy": "channel", "symmetric": true, "type": "int"}}}, "format":
          "mixed-precision", "quant_method": "compressed-tensors", "quantization_status": "compressed"})",
      R"({"modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens",
          "lm_head"], "quant_method": "mxfp4"})",
      R"({"bits": 4, "damp_percent": 0.01, "desc_act": false, "group_size": 128, "model_file_base_name": "model",
          "model_name_or_path": null, "modules_in_block_to_quantize": null, "quant_method": "gptq",
          "static_groups": false, "sym": true, "true_sequential": true})",
      R"({"bits": 4, "checkpoint_format": "gptq", "desc_act": true, "dynamic": null, "group_size": -1,
          "lm_head": false, "meta": {"quantizer": ["gptqmodel:2.0.0"], "uri": "https://github.com/modelcloud/gptqmodel",
          "damp_percent": 0.1, "mse": 0.0}, "pack_dtype": "int32", "quant_method": "gptq", "sym": true})",
      R"({"bits": 4, "group_size": 128, "modules_to_not_convert": null, "quant_method": "awq", "version": "gemm",
          "zero_point": true})"};
  for (const char* text : published) EXPECT_NO_THROW(read_quantisation({"config.json", json::parse(text)})) << text;
}

TEST(QuantisedWeights, AFloat8WeightWithoutAMethodIsRefused) {
  Case c(kBlocks / "fp8_block.safetensors", format_configs().at("fp8_block"));
  const auto find = [&](const std::string& name) { return std::optional(FileTensor{&c.file, &c.file.at(name)}); };
  EXPECT_TRUE(refuses(
      [&] {
        open_weight({"m.weight", c.file.at("expected").shape, {}, find});
      },
      {"m.weight", "F8_E4M3", "BF16", "convert"}));
}

}  // namespace
}  // namespace logitfield::io
