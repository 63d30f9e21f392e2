#include "pipeline/results/manifest_reading.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "io/error.hpp"
#include "io/json.hpp"
#include "pipeline/job/windows.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

constexpr const char* kRemedy = "copy the file again, or measure again";

void check_format(const json& manifest, const std::string& path) {
  const auto format = io::required<std::string>(manifest, "format", path);
  const auto version = io::required<std::int64_t>(manifest, "version", path);
  if (format != kRunFormat) throw InputError("{}: \"format\" is not {}; give a run folder", path, kRunFormat);
  if (version < 1 || version > kRunVersion) {
    throw InputError(
        "{}: a run folder of version {}, but this program reads 1 to {}; use the program that wrote it ({})", path,
        version, kRunVersion, io::optional_or<std::string>(manifest, "program", "unknown", path));
  }
  for (const char* key : {"program", "model", "seed", "backend"}) {
    if (!manifest.contains(key)) throw InputError("{}: \"{}\" is missing; {}", path, key, kRemedy);
  }
}

/// The value of a key in the manifest; must be a list and not empty.
const json& list_at(const json& manifest, const char* key, const std::string& path) {
  const auto found = manifest.find(key);
  if (found == manifest.end() || !found->is_array() || found->empty()) {
    throw InputError("{}: \"{}\" must be a list that is not empty; {}", path, key, kRemedy);
  }
  return *found;
}

std::vector<std::int64_t> integers_at(const json& manifest, const char* key, const std::string& path) {
  std::vector<std::int64_t> out;
  for (const json& value : list_at(manifest, key, path)) {
    const auto integer = io::as_integer(value);
    if (!integer)
      throw InputError("{}: \"{}\" holds {}, which is not an integer; {}", path, key, io::excerpt(value), kRemedy);
    out.push_back(*integer);
  }
  return out;
}

std::int64_t size_at(const json& model, const char* key, const std::string& path) {
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
  const auto value = io::required<std::int64_t>(model, key, path);
  if (value >= 1 && value <= largest) return value;
  throw InputError("{}: \"{}\" is {}, but must lie in 1 ... {}; {}", path, key, value, largest, kRemedy);
}

/// Checks that an optional entry is a string.
void check_string(const json& object, const char* key, const std::string& path) {
  if (object.contains(key)) io::required<std::string>(object, key, path);
}

void read_model(const std::string& path, Results& results) {
  const json& model = results.manifest.at("model");
  for (const char* key : {"name", "hash"}) io::required<std::string>(model, key, path);
  for (const char* key : {"path", "model_type", "source"}) check_string(model, key, path);
  size_at(model, "head_dim", path);
  results.num_heads = size_at(model, "num_heads", path);
  results.num_kv_heads = size_at(model, "num_kv_heads", path);
  if (results.num_heads % results.num_kv_heads != 0) {
    throw InputError("{}: \"num_heads\" {} is not divisible by \"num_kv_heads\" {}; {}", path, results.num_heads,
                     results.num_kv_heads, kRemedy);
  }
}

void read_layers(const std::string& path, Results& results) {
  const std::vector<std::int64_t> layers = integers_at(results.manifest, "layers", path);
  const std::int64_t all = size_at(results.manifest.at("model"), "num_layers", path);
  if (layers.size() != 2 || layers[0] < 0 || layers[1] <= layers[0] || layers[1] > all) {
    throw InputError("{}: \"layers\" must be the first measured layer and the end, within {} layers; {}", path, all,
                     kRemedy);
  }
  results.first_layer = layers[0];
  results.num_layers = layers[1] - layers[0];
  const std::vector<kernels::Visible> visible = read_visible(results.manifest.at("model"), all, path);
  results.visible.resize(static_cast<std::size_t>(results.num_layers));
  for (std::size_t l = 0; l < results.visible.size() && !visible.empty(); ++l) {
    results.visible[l] = visible[static_cast<std::size_t>(results.first_layer) + l];
  }
}

void read_fields(const std::string& path, Results& results) {
  results.contexts = integers_at(results.manifest, "contexts", path);
  if (results.contexts.front() < 2 || !std::ranges::is_sorted(results.contexts, std::less_equal())) {
    throw InputError("{}: \"contexts\" must be ascending, from 2 or more; {}", path, kRemedy);
  }
  for (const json& scope : list_at(results.manifest, "scopes", path)) {
    if (!scope.is_string()) throw InputError("{}: \"scopes\" holds {}; {}", path, io::excerpt(scope), kRemedy);
    results.scopes.push_back(scope);
  }
}

}  // namespace

Results read_manifest(const std::filesystem::path& file) {
  const std::string path = file.string();
  Results out;
  out.manifest = io::read_json(file);
  check_format(out.manifest, path);
  read_model(path, out);
  read_layers(path, out);
  read_fields(path, out);
  for (const json& text : list_at(out.manifest, "texts", path)) {
    out.texts.push_back(io::required<std::string>(text, "name", path));
    check_string(text, "hash_of_used", path);
  }
  return out;
}

}  // namespace logitfield
