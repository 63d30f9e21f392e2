#include "pipeline/forward/not_finite.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/checkpoint/layer_tensors.hpp"
#include "pipeline/forward/tensor_reading.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

/// Whether the tensor holds (rows of) this map.
bool is_of(const io::Checkpoint& checkpoint, const io::LinearTensors& map, const std::string& tensor) {
  const auto is_part = [&](const std::string& name) {
    return std::ranges::any_of(checkpoint.weight(name).parts(), [&](const auto& part) { return part.name == tensor; });
  };
  return is_part(map.weight.name) || (map.bias && is_part(map.bias->name));
}

/// Adds the query heads whose rows in the map are not finite; each head of the map serves `group` query heads.
void add_heads(const io::Checkpoint& checkpoint, const io::HeadTensors& heads, const std::string& tensor,
               std::vector<std::int64_t>& out) {
  if (!is_of(checkpoint, heads.map, tensor)) return;
  const io::ModelConfig& config = checkpoint.config();
  const std::int64_t count = heads.heads == io::HeadKind::query ? config.num_heads : config.num_kv_heads;
  const std::int64_t group = config.num_heads / count;
  for (std::int64_t h = 0; h < count; ++h) {
    kernels::Linear rows;
    read_rows(checkpoint, rows_of_heads(heads, {h, h + 1}), kernels::Precision::float32, rows);
    if (rows.weight.floats(0, rows.weight.rows()).allFinite() && rows.bias.allFinite()) continue;
    for (std::int64_t q = h * group; q < (h + 1) * group; ++q) out.push_back(q);
  }
}

}  // namespace

NotFinite locate(const io::Checkpoint& checkpoint, const io::NotFiniteError& error) {
  NotFinite out{error.tensor, fmt::format("{}", error.value), io::shape_text(error.index), -1, {}};
  const io::ModelConfig& config = checkpoint.config();
  const auto layer = io::layer_of(config, error.tensor);
  if (!layer) return out;
  out.layer = *layer;
  const io::LayerTensors tensors = io::layer_tensors(config, *layer);
  for (const io::HeadTensors& heads : tensors.qkv) add_heads(checkpoint, heads, error.tensor, out.heads);
  if (tensors.key_value_up) add_heads(checkpoint, *tensors.key_value_up, error.tensor, out.heads);
  std::ranges::sort(out.heads);
  out.heads.erase(std::unique(out.heads.begin(), out.heads.end()), out.heads.end());
  return out;
}

std::vector<NotFinite> all_of(const std::vector<NotFinite>& mine, const mpi::Communicator& world) {
  const std::string text = json(mine).dump();
  json all = json::array();
  for (const auto& bytes : world.gather(std::as_bytes(std::span(text)))) {
    for (json& one : json::parse(reinterpret_cast<const char*>(bytes.data()),
                                 reinterpret_cast<const char*>(bytes.data()) + bytes.size())) {
      all.push_back(std::move(one));
    }
  }
  auto out = json::parse(world.broadcast(all.dump(), 0)).get<std::vector<NotFinite>>();
  std::ranges::sort(out, {}, &NotFinite::tensor);
  return out;
}

void to_json(json& out, const NotFinite& w) {
  out = {{"tensor", w.tensor}, {"value", w.value}, {"index", w.index}, {"layer", w.layer}, {"heads", w.heads}};
}

void from_json(const json& in, NotFinite& w) {
  in.at("tensor").get_to(w.tensor);
  in.at("value").get_to(w.value);
  in.at("index").get_to(w.index);
  in.at("layer").get_to(w.layer);
  in.at("heads").get_to(w.heads);
}

}  // namespace logitfield
