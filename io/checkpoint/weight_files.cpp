#include "io/checkpoint/weight_files.hpp"

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

bool is_plain_file_name(const std::string& name) {
  const std::string separators("/\0", 2);
  return !name.empty() && name != "." && name != ".." && name.find_first_of(separators) == std::string::npos;
}

json read_weight_map(const fs::path& path) {
  json index = read_json(path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw InputError("{}: must be a JSON object with an object \"weight_map\"; copy or download it again",
                     path.string());
  }
  return index["weight_map"];
}

std::string checked_shard(const fs::path& index, const std::string& tensor, const json& file) {
  if (!file.is_string() || !is_plain_file_name(file.get<std::string>())) {
    throw InputError("{}: tensor {} is said to lie in {}, which is no file name inside this folder; correct it",
                     index.string(), excerpt(tensor), excerpt(file));
  }
  auto name = file.get<std::string>();
  if (!fs::exists(index.parent_path() / name)) {
    throw InputError("{}: tensor {} should lie in the file {}, which is missing; copy or download that file",
                     index.string(), excerpt(tensor), excerpt(file));
  }
  return name;
}

WeightFiles read_index(const fs::path& path) {
  WeightFiles files;
  const json weight_map = read_weight_map(path);
  for (const auto& [tensor, file] : weight_map.items()) {
    const std::string name = checked_shard(path, tensor, file);
    files.paths.insert(path.parent_path() / name);
    files.index.emplace(tensor, name);
  }
  return files;
}

}  // namespace

WeightFiles find_weight_files(const fs::path& folder) {
  if (fs::exists(folder / kSingleName)) return {{folder / kSingleName}, {}};
  if (fs::exists(folder / kIndexName)) return read_index(folder / kIndexName);
  throw InputError("{}: holds neither {} nor {}; give a Hugging Face checkpoint folder with safetensors weights",
                   folder.string(), kSingleName, kIndexName);
}

}  // namespace logitfield::io
