#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/checkpoint/layer_tensors.hpp"
#include "io/config/model_config.hpp"
#include "io/gguf/gguf_model.hpp"
#include "io/safetensors.hpp"
#include "io/weights/weight_formats.hpp"

namespace logitfield::io {

/// A model in a Hugging Face checkpoint folder or in GGUF files. The folder holds config.json and model.safetensors, or
/// model.safetensors.index.json and its shards. A GGUF model is given by its only file, or by the first of its parts.
/// Construction reads only headers; weights are mapped, and read on demand.
class Checkpoint {
 public:
  /// Throws InputError (naming file, tensor, remedy) for everything that read_model_config and SafetensorsFile, or
  /// gguf_model_config and GgufModel, refuse, and for:
  /// - a path that is not a folder, and a folder without weights (weight_files.hpp);
  /// - names with the prefix of a wrapper (torch.compile, DataParallel, PEFT);
  /// - an index that is not a JSON object of {"weight_map": {tensor: file}}, or that names a missing file, a path
  ///   outside the folder, or a tensor that its file lacks;
  /// - the same tensor in two shards;
  /// - a tensor that the configuration needs and the files lack;
  /// - a shape that contradicts config.json;
  /// - a weight that is neither F32, F16 or BF16 nor in a format of quantization_config (io/weights), or lacks one of
  ///   its tensors;
  /// - a tensor of a layer (a bias, a norm, an extra layer) that the configuration does not have.
  explicit Checkpoint(const std::filesystem::path& path);

  /// Returns the path of the folder, or of the GGUF file.
  const std::filesystem::path& path() const { return path_; }
  /// Returns the file that the configuration was read from.
  std::filesystem::path config_path() const;
  const ModelConfig& config() const { return config_; }

  /// Returns notices for people, one sentence each: which files or tensors are used where that is not evident, and
  /// which are missing.
  std::vector<std::string> notices() const;

  /// Return the token embedding and the output matrix as stored. If the checkpoint ties them and holds one tensor,
  /// under either name, both return that tensor. If it holds both, each returns its own, as in transformers 5.
  const StoredWeight& input_embedding() const { return *input_embedding_; }
  const StoredWeight& output_embedding() const;
  /// Tells whether there is an output matrix. A backbone has none.
  bool has_output() const { return output_embedding_ != nullptr; }
  /// Returns a weight that the configuration names (layer_tensors.hpp).
  const StoredWeight& weight(const std::string& name) const;
  /// Returns every weight that the configuration names, in name order, each once. A run reads these.
  std::vector<const StoredWeight*> weights() const;
  /// Makes every later read compare the bytes that it uses with this first reading of weights(), in their order.
  void expect(std::vector<Fingerprint> first_reading);

 private:
  std::vector<StoredWeight*> sorted_weights() const;
  void open_folder();
  void add_file(const std::filesystem::path& path);
  void check_index(const std::map<std::string, std::string>& index) const;
  void open_embeddings();
  /// Opens the weight of this name, and shape; null if the files do not hold it.
  const StoredWeight* find(const ExpectedTensor& expected);
  const StoredWeight& open(const ExpectedTensor& expected);
  void refuse_unused_layer_tensors() const;
  /// Finds a tensor by its name, or by its name without the family's base prefix.
  std::optional<FileTensor> find_tensor(const std::string& name) const;
  /// Returns the remedy for weights that do not fit the configuration.
  const char* remedy_for_weights() const;
  [[noreturn]] void refuse_missing(const std::string& name) const;

  std::filesystem::path path_;
  /// Null if this is a folder.
  std::unique_ptr<GgufModel> gguf_;
  ModelConfig config_;
  std::string unused_index_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, FileTensor> tensors_;
  /// Weights by their name in the configuration.
  std::map<std::string, std::unique_ptr<StoredWeight>> weights_;
  const StoredWeight *input_embedding_ = nullptr, *output_embedding_ = nullptr;
};

}  // namespace logitfield::io
