#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/capture/vllm_hook_info.hpp"
#include "io/safetensors.hpp"
#include "io/slice.hpp"

namespace logitfield::io {

/// A text that vLLM ran, and the number of its tokens.
struct RecordedText {
  std::string name;
  std::int64_t num_tokens = 0;
};

/// Q and K of one run of vLLM, as the plugin vLLM-Hook (IBM/vLLM-Hook, worker probe_hook_qk) writes them: a folder
/// tp_rank_0, tp_rank_1, ... for each tensor-parallel rank, which holds the rank's heads. qk.safetensors has for each
/// layer the queries [entries, longest entry, columns of all heads] and the keys, as they enter attention (rotated, not
/// scaled), with zeros after an entry's tokens. qk.json names the layers and tells the entries' lengths. An entry is
/// what one pass computed of one prompt: all of it, or a part.
class VllmHookRun {
 public:
  /// Reads the headers of all files. `known`: the heads by the model's own configuration, if there is one; else the
  /// plugin's sizes are taken, among them a head_dim that it computes as hidden_size / num_attention_heads. Throws
  /// InputError naming file, key or tensor, value and remedy for:
  /// - a folder without tp_rank_0, or with gaps between the ranks, and a recording by torch.save (qk.pt);
  /// - a missing or ill-typed key of qk.json, and what differs between the ranks;
  /// - a recording of last tokens only (hookq_mode);
  /// - layers that do not count 0, 1, 2, ... without gap or repetition;
  /// - tensors of another type than F32, F16 or BF16, of other sizes than entries and lengths say, or with other
  /// columns
  ///   than the heads have.
  explicit VllmHookRun(const std::filesystem::path& folder, const std::optional<HeadShape>& known = {});

  const std::filesystem::path& folder() const { return folder_; }
  std::int64_t num_layers() const { return static_cast<std::int64_t>(info_.layers.size()); }
  const HeadShape& heads() const { return heads_; }
  /// What the plugin says of the model. Its factor of q.k is attention_multiplier of the model's configuration, else
  /// head_dim^-1/2 by its own head_dim.
  const HookInfo& told() const { return info_; }
  /// Types of the tensors, by name.
  std::string dtype() const;

  /// For each text, its entries in their order. One text may lie in several entries, since vLLM computes long prompts
  /// and generated tokens in passes of their own. Several texts are told apart by their lengths. Throws InputError
  /// where entries and texts do not fit together, such as where tokens are missing that a prefix cache held.
  std::vector<std::vector<std::int64_t>> entries_of(std::span<const RecordedText> texts) const;
  /// Number of tokens of an entry.
  std::int64_t length(std::int64_t entry) const { return info_.lengths.at(static_cast<std::size_t>(entry)); }

  /// Reads some rows of an entry's head as float32 [rows.size(), head_dim]. Throws InputError at a NaN or infinity,
  /// naming file, tensor, entry, token, column and value.
  void read_queries(std::int64_t layer, std::int64_t head, std::int64_t entry, Slice rows,
                    std::span<float> target) const;
  void read_keys(std::int64_t layer, std::int64_t kv_head, std::int64_t entry, Slice rows,
                 std::span<float> target) const;
  /// Releases the memory that a layer's tensors were mapped to; a later read maps them anew.
  void release(std::int64_t layer) const;

 private:
  const HookInfo::Layer& layer_at(std::int64_t layer) const { return info_.layers.at(static_cast<std::size_t>(layer)); }

  std::filesystem::path folder_;
  /// By rank.
  std::vector<SafetensorsFile> ranks_;
  /// The same for all ranks.
  HookInfo info_;
  HeadShape heads_;
};

}  // namespace logitfield::io
