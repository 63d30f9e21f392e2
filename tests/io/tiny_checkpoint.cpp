#include "tests/io/tiny_checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "io/checkpoint/layer_tensors.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::testing {
namespace {

using io::DType;
using io::ExpectedTensor;
using nlohmann::json;

std::uint16_t half_bits(float value) {
  if (value == 0) return 0;
  int exponent = 0;
  const float mantissa = std::frexp(std::fabs(value), &exponent);
  const int bits = ((exponent + 14) << 10) + static_cast<int>((2 * mantissa - 1) * 1024);
  return static_cast<std::uint16_t>(bits | (value < 0 ? 0x8000 : 0));
}

std::vector<std::byte> low_bytes(std::uint32_t bits, std::size_t count) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(bits >> (8 * i)));
  return bytes;
}

io::ModelConfig parsed(const json& config) {
  const TemporaryFolder folder;
  return io::read_model_config(folder.write("config.json", config.dump()));
}

std::vector<ExpectedTensor> expected_tensors(const io::ModelConfig& config) {
  std::vector<ExpectedTensor> all = io::tensors_around_layers(config);
  all.push_back(io::input_embedding_tensor(config));
  if (!config.tied_embeddings) all.push_back(io::output_embedding_tensor(config));
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const auto own = io::tensors_of(io::layer_tensors(config, layer));
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

}  // namespace

json tiny_config() {
  return {{"model_type", "llama"},
          {"hidden_size", 8},
          {"intermediate_size", 12},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"vocab_size", 10},
          {"hidden_act", "silu"},
          {"max_position_embeddings", 32},
          {"tie_word_embeddings", false}};
}

float tiny_value(const std::string& name, std::size_t element) {
  const std::size_t mixed = std::hash<std::string>()(name) % 1000 + element * 7;
  return (static_cast<float>(mixed % 61) - 30) / 8;
}

std::vector<std::byte> encode(DType dtype, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (dtype == DType::F32) return low_bytes(bits, 4);
  return low_bytes(dtype == DType::F16 ? half_bits(value) : bits >> 16, 2);
}

io::TensorToWrite tensor_to_write(const std::string& name, const std::vector<std::int64_t>& shape, DType dtype) {
  const auto fill = [name, dtype](std::size_t first, std::span<std::byte> bytes) {
    const std::size_t width = io::dtype_size(dtype);
    for (std::size_t i = 0; i < bytes.size() / width; ++i) {
      std::ranges::copy(encode(dtype, tiny_value(name, first + i)),
                        bytes.begin() + static_cast<std::ptrdiff_t>(i * width));
    }
  };
  return {name, dtype, shape, fill};
}

std::vector<io::TensorToWrite> tiny_tensors(const json& config, DType dtype) {
  std::vector<io::TensorToWrite> tensors;
  for (const auto& [name, shape] : expected_tensors(parsed(config)))
    tensors.push_back(tensor_to_write(name, shape, dtype));
  return tensors;
}

void write_checkpoint(const std::filesystem::path& folder, const json& config,
                      const std::vector<io::TensorToWrite>& tensors) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << config;
  io::write_safetensors(folder / "model.safetensors", tensors);
}

}  // namespace logitfield::testing
