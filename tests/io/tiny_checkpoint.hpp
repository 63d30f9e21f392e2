#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/config/model_config.hpp"
#include "io/safetensors_writer.hpp"

namespace logitfield::testing {

/// config.json of an untied llama: 2 layers, hidden 8, inner 12, 4 heads on 2 KV heads of 2, vocabulary 10.
nlohmann::json tiny_config();

/// Values of a tensor from `tensor_to_write`: multiples of 1/8 below 4, exact in F32, F16 and BF16.
float tiny_value(const std::string& name, std::size_t element);
io::TensorToWrite tensor_to_write(const std::string& name, const std::vector<std::int64_t>& shape,
                                  io::DType dtype = io::DType::F32);
/// Every tensor that the configuration requires.
std::vector<io::TensorToWrite> tiny_tensors(const nlohmann::json& config, io::DType dtype = io::DType::F32);

/// Writes config.json and model.safetensors into `folder`.
void write_checkpoint(const std::filesystem::path& folder, const nlohmann::json& config,
                      const std::vector<io::TensorToWrite>& tensors);

/// `value` as one element of `dtype` (F32, F16 or BF16), which must hold it exactly.
std::vector<std::byte> encode(io::DType dtype, float value);

}  // namespace logitfield::testing
