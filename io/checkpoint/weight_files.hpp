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
};

/// Finds model.safetensors, or the files that model.safetensors.index.json names. Throws InputError naming file, tensor
/// and remedy for a folder without either, and for an index that is no JSON object of {"weight_map": {tensor: file}},
/// or names a missing file or a path outside the folder.
WeightFiles find_weight_files(const std::filesystem::path& folder);

}  // namespace logitfield::io
