#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace logitfield::io {

/// The heads of every layer.
struct HeadShape {
  std::int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
  bool operator==(const HeadShape&) const = default;
};

/// qk.json of one rank.
struct HookInfo {
  /// Names of a layer's tensors in qk.safetensors.
  struct Layer {
    std::string queries, keys;
    bool operator==(const Layer&) const = default;
  };

  /// Of the whole model, by the plugin.
  HeadShape heads;
  std::int64_t hidden_size = 0;
  /// attention_multiplier.
  double scale = 0;
  std::vector<Layer> layers;
  /// Tokens of every entry; at least one is not 0.
  std::vector<std::int64_t> lengths;
  bool operator==(const HookInfo&) const = default;
};

/// Reads qk.json of rank `rank`. Throws InputError naming file, key, value and remedy for everything in it that
/// VllmHookRun refuses.
HookInfo read_hook_info(const std::filesystem::path& path, std::int64_t rank);

}  // namespace logitfield::io
