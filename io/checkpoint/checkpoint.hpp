#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/config/model_config.hpp"
#include "io/safetensors.hpp"
#include "io/slice.hpp"

namespace logitfield::io {

/// A Hugging Face checkpoint folder: config.json and model.safetensors, or model.safetensors.index.json and its shards.
/// Construction reads only headers; tensors are mapped, and read on demand.
class Checkpoint {
 public:
  /// Throws InputError (naming file, tensor, remedy) for everything that read_model_config and SafetensorsFile refuse,
  /// and for:
  /// - a path that is no folder, and a folder without weights (weight_files.hpp);
  /// - names with the prefix of a wrapper (torch.compile, DataParallel, PEFT);
  /// - an index that is no JSON object of {"weight_map": {tensor: file}}, or that names a missing file, a path outside
  ///   the folder, or a tensor that its file lacks;
  /// - the same tensor in two shards;
  /// - a tensor that the configuration needs and the files lack;
  /// - a shape that contradicts config.json;
  /// - a weight that is not F32, F16 or BF16;
  /// - a tensor of a layer (a bias, a norm, a layer too many) that the configuration has no place for.
  explicit Checkpoint(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }

  /// What people should know of the checkpoint, a sentence each: which files or tensors are used where that is not
  /// evident, and what is missing.
  std::vector<std::string> notices() const;

  /// The token embedding and the output matrix as stored. Where the checkpoint ties them and holds one tensor, under
  /// either name, both are that one. If it holds both, each is its own, as in transformers 5.
  const Tensor& input_embedding() const;
  const Tensor& output_embedding() const;
  /// Whether there is an output matrix. A backbone has none.
  bool has_output() const;
  /// Throws InputError naming folder and tensor if it is missing.
  const Tensor& tensor(const std::string& name) const;
  /// Every tensor that the configuration names, in name order, each once: the tensors that a run reads.
  std::vector<const Tensor*> model_tensors() const;
  const std::filesystem::path& file_of(const Tensor& tensor) const;

  /// Reads the block rows x columns of a matrix (or rows of a vector, columns = {0, 1}) as float32, row-major, and
  /// releases the pages it touched. target.size() must be rows.size() * columns.size().
  void read(const Tensor& tensor, Slice rows, Slice columns, std::span<float> target) const;
  /// Reads the block as the bits of bfloat16 numbers; F32 and F16 are rounded.
  void read(const Tensor& tensor, Slice rows, Slice columns, std::span<std::uint16_t> target) const;
  /// Asks the system to start reading these rows now.
  void prefetch(const Tensor& tensor, Slice rows) const;
  /// Releases the memory of the tensor's mapped pages; a later read maps them anew.
  void release(const Tensor& tensor) const;

  /// Throws NotFiniteError naming file, tensor, index and value at the first NaN or infinity. Returns the XXH3 hash of
  /// the tensor's name, type, shape and bytes. Reads in pieces and releases the pages.
  std::uint64_t check_and_hash(const Tensor& tensor) const;

 private:
  template <class Number>
  void read_pieces(const Tensor& tensor, Slice rows, Slice columns, std::span<Number> target) const;
  void add_file(const std::filesystem::path& path);
  void check_index(const std::map<std::string, std::string>& index) const;
  void check(const Tensor& tensor, const std::vector<std::int64_t>& shape) const;
  void refuse_unused_layer_tensors() const;
  /// Finds a tensor by its name, or by its name without the family's base prefix; null if the files hold neither.
  const Tensor* find(const std::string& name) const;
  [[noreturn]] void refuse_missing(const std::string& name) const;
  const SafetensorsFile& holder(const Tensor& tensor) const;

  std::filesystem::path folder_;
  ModelConfig config_;
  std::string unused_index_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, std::pair<const Tensor*, const SafetensorsFile*>> tensors_;
};

}  // namespace logitfield::io
