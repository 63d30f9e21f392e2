#include "io/checkpoint/weight_files.hpp"

#include <algorithm>
#include <string_view>

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
    throw InputError("{}: tensor {} is mapped to {}, which is not a file name inside this folder; correct it",
                     index.string(), excerpt(tensor), excerpt(file));
  }
  auto name = file.get<std::string>();
  if (!fs::exists(index.parent_path() / name)) {
    throw InputError("{}: tensor {} should be in the file {}, which is missing; copy or download that file",
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

bool holds_file_ending(const fs::path& folder, std::string_view ending) {
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none)) {
    if (entry->path().filename().string().ends_with(ending)) return true;
  }
  return false;
}

/// Returns the remedy for a folder that has no weights under the expected names.
std::string remedy_for(const fs::path& folder) {
  if (fs::exists(folder / "adapter_config.json") || fs::exists(folder / "adapter_model.safetensors")) {
    return "it holds a PEFT adapter: merge it into its model (merge_and_unload) and save the result";
  }
  if (holds_file_ending(folder, ".safetensors")) {
    return fmt::format("shards need their {}: copy or download it; rename a single file {}", kIndexName, kSingleName);
  }
  if (holds_file_ending(folder, ".bin") || holds_file_ending(folder, ".pt") || holds_file_ending(folder, ".pth")) {
    return "its weights are PyTorch pickles: load them with transformers and save_pretrained() them as safetensors";
  }
  if (holds_file_ending(folder, ".gguf")) {
    return "it holds GGUF files: give one of them, or the first of its parts, instead of the folder";
  }
  return "give a Hugging Face checkpoint folder with safetensors weights";
}

/// Whether this looks like the name of a model on the Hugging Face hub.
bool is_hub_name(const fs::path& path) {
  const std::string name = path.string();
  return path.is_relative() && !name.starts_with('.') && std::ranges::count(name, '/') == 1 && !name.ends_with('/');
}

}  // namespace

fs::path config_of_checkpoint(const fs::path& folder) {
  const fs::path config = folder / "config.json";
  if (fs::is_directory(folder)) {
    if (fs::exists(config) || !holds_file_ending(folder, ".gguf")) return config;
    throw InputError("{}: holds no config.json; {}", folder.string(), remedy_for(folder));
  }
  const std::string name = folder.string();
  if (fs::exists(folder)) {
    throw InputError(
        "{}: is a file; give the folder that holds it and config.json, or a GGUF file whose name ends in .gguf", name);
  }
  if (is_hub_name(folder)) {
    throw InputError(
        "{}: there is no such folder; if it is a model on the Hugging Face hub, download it first: `hf download {}` "
        "prints the folder to give",
        name, name);
  }
  throw InputError("{}: there is no such folder; give a Hugging Face checkpoint folder", name);
}

WeightFiles find_weight_files(const fs::path& folder) {
  const bool has_index = fs::exists(folder / kIndexName);
  if (fs::exists(folder / kSingleName)) return {{folder / kSingleName}, {}, has_index ? kIndexName : ""};
  if (has_index) return read_index(folder / kIndexName);
  throw InputError("{}: holds neither {} nor {}; {}", folder.string(), kSingleName, kIndexName, remedy_for(folder));
}

}  // namespace logitfield::io
