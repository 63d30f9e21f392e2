#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace logitfield::io {

/// The safetensors files of a checkpoint folder.
struct WeightFiles {
  std::set<std::filesystem::path> paths;
  /// Tensor name -> file name, from model.safetensors.index.json; empty where one file holds everything.
  std::map<std::string, std::string> index;
  /// Name of an index beside a single file, which takes precedence as in transformers; else empty.
  std::string unused_index;
};

/// Returns the path of the folder's configuration. Throws InputError with the remedy for a file, for the name of a
/// model on a hub, and for a missing folder.
std::filesystem::path config_of_checkpoint(const std::filesystem::path& folder);

/// Finds model.safetensors, or the files that model.safetensors.index.json names. Throws InputError naming file, tensor
/// and remedy for a folder without either (shards without an index, PyTorch pickles, GGUF, an adapter). Also throws for
/// an index that is not a JSON object of {"weight_map": {tensor: file}}, or that names a missing file or a path outside
/// the folder.
WeightFiles find_weight_files(const std::filesystem::path& folder);

}  // namespace logitfield::io
