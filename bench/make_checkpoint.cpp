// Writes a random Llama-shaped checkpoint of any shape, as a Hugging Face folder, and a matching token file. Serves to
// measure speed and memory at sizes that would be too large to download.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/checkpoint/layer_tensors.hpp"
#include "io/config/model_config.hpp"
#include "io/file.hpp"
#include "io/safetensors_writer.hpp"

namespace {

using namespace logitfield;

struct Shape {
  std::int64_t layers = 22, hidden = 2048, heads = 32, kv_heads = 4, head_dim = 64, mlp = 5632, vocab = 32000;
  std::int64_t positions = 2048, tokens = 2048;
  std::string dtype = "BF16";
  std::uint64_t seed = 1;
};

/// A random 64-bit number that depends only on its index (splitmix64), so that tensors can be written in pieces.
std::uint64_t random_bits(std::uint64_t index) {
  std::uint64_t z = index * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// A uniform random weight with standard deviation `sd`.
float random_weight(std::uint64_t index, float sd) {
  const float unit = static_cast<float>(random_bits(index) >> 40) * 0x1p-24F;
  return sd * std::sqrt(12.0F) * (unit - 0.5F);
}

/// Fills F32 or BF16 elements (rounded toward zero) with weights of standard deviation `sd` around `mean`.
io::TensorToWrite random_tensor(const io::ExpectedTensor& tensor, io::DType type, std::uint64_t stream, float mean,
                                float sd) {
  const auto fill = [=](std::size_t first, std::span<std::byte> bytes) {
    const std::size_t size = io::dtype_size(type);
    for (std::size_t i = 0; i * size < bytes.size(); ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(mean + random_weight((stream << 40) + first + i, sd));
      const std::uint32_t stored = type == io::DType::BF16 ? bits >> 16 : bits;
      std::memcpy(bytes.data() + i * size, &stored, size);
    }
  };
  return {tensor.name, type, tensor.shape, fill};
}

nlohmann::json config_json(const Shape& s) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", s.hidden},
          {"intermediate_size", s.mlp},
          {"num_hidden_layers", s.layers},
          {"num_attention_heads", s.heads},
          {"num_key_value_heads", s.kv_heads},
          {"head_dim", s.head_dim},
          {"vocab_size", s.vocab},
          {"max_position_embeddings", s.positions},
          {"hidden_act", "silu"},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"rope_scaling", nullptr},
          {"attention_bias", false},
          {"mlp_bias", false},
          {"tie_word_embeddings", false}};
}

std::string shard_name(std::int64_t index, std::int64_t count) {
  return fmt::format("model-{:05d}-of-{:05d}.safetensors", index + 1, count);
}

/// The tensors of one file: a layer, or (last) the embeddings and the final norm.
std::vector<io::TensorToWrite> file_tensors(const io::ModelConfig& config, std::int64_t index, io::DType type,
                                            std::uint64_t seed) {
  std::vector<io::TensorToWrite> out;
  const auto add = [&](const io::ExpectedTensor& tensor, float mean, float sd) {
    out.push_back(
        random_tensor(tensor, type, seed * 65536 + static_cast<std::uint64_t>(index) * 16 + out.size(), mean, sd));
  };
  const float sd = 1 / std::sqrt(static_cast<float>(config.hidden_size));
  if (index == config.num_layers) {
    add(io::input_embedding_tensor(config), 0, 1);
    add(io::output_embedding_tensor(config), 0, sd);
    for (const io::ExpectedTensor& norm : io::tensors_around_layers(config)) add(norm, 1, 0.1F);
    return out;
  }
  for (const io::ExpectedTensor& tensor : io::tensors_of(io::layer_tensors(config, index))) {
    const bool is_norm = tensor.shape.size() == 1;
    add(tensor, is_norm ? 1 : 0, is_norm ? 0.1F : sd);
  }
  return out;
}

void write_checkpoint(const Shape& shape, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  io::write_atomically(folder / "config.json", config_json(shape).dump(1) + "\n");
  const io::ModelConfig config = io::read_model_config(folder / "config.json");
  nlohmann::json weight_map = nlohmann::json::object();
  for (std::int64_t file = 0; file <= config.num_layers; ++file) {
    const std::string name = shard_name(file, config.num_layers + 1);
    const auto tensors = file_tensors(config, file, *io::parse_dtype(shape.dtype), shape.seed);
    io::write_safetensors(folder / name, tensors);
    for (const io::TensorToWrite& tensor : tensors) weight_map[tensor.name] = name;
  }
  io::write_atomically(
      folder / "model.safetensors.index.json",
      nlohmann::json{{"metadata", nlohmann::json::object()}, {"weight_map", weight_map}}.dump(1) + "\n");
  std::vector<std::int64_t> tokens;
  for (std::int64_t i = 0; i < shape.tokens; ++i)
    tokens.push_back(static_cast<std::int64_t>(random_bits(i) % shape.vocab));
  io::write_atomically(folder / "tokens.json", nlohmann::json(tokens).dump() + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  Shape shape;
  std::string folder;
  CLI::App app("writes a random Llama-shaped checkpoint; the defaults are a 1.1 B shape", "make_checkpoint");
  app.option_defaults()->always_capture_default();
  app.add_option("FOLDER", folder, "checkpoint folder to write")->required();
  app.add_option("--layers", shape.layers);
  app.add_option("--hidden", shape.hidden);
  app.add_option("--heads", shape.heads);
  app.add_option("--kv-heads", shape.kv_heads);
  app.add_option("--head-dim", shape.head_dim);
  app.add_option("--mlp", shape.mlp);
  app.add_option("--vocab", shape.vocab);
  app.add_option("--positions", shape.positions);
  app.add_option("--tokens", shape.tokens, "length of tokens.json");
  app.add_option("--dtype", shape.dtype)->check(CLI::IsMember({"BF16", "F32"}));
  app.add_option("--seed", shape.seed);
  CLI11_PARSE(app, argc, argv);
  try {
    write_checkpoint(shape, folder);
  } catch (const std::exception& error) {
    fmt::print(stderr, "make_checkpoint: error: {}\n", error.what());
    return 1;
  }
}
