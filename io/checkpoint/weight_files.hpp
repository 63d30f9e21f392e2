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
  /// Name of an index that lies beside a single file, which goes first as in transformers; else empty.
  std::string unused_index;
};

/// Where the folder's configuration should be. Throws InputError with what to do for a file, for the name of a model on
/// a hub, and for a folder that is not there.
std::filesystem::path config_of_checkpoint(const std::filesystem::path& folder);

/// Finds model.safetensors, or the files that model.safetensors.index.json names. Throws InputError naming file, tensor
/// and remedy for a folder without either (shards without an index, PyTorch pickles, GGUF, an adapter), and for an
/// index that is no JSON object of {"weight_map": {tensor: file}}, or names a missing file or a path outside the
/// folder.
WeightFiles find_weight_files(const std::filesystem::path& folder);

}  // namespace logitfield::io
