#include "io/capture/vllm_hook.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

#include "io/error.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHookAxes = "entry, token, column";

fs::path rank_path(const fs::path& folder, std::int64_t rank) { return folder / fmt::format("tp_rank_{}", rank); }

/// Number of the folders tp_rank_0, tp_rank_1, ...
std::int64_t count_ranks(const fs::path& folder) {
  std::int64_t count = 0;
  std::error_code unreadable;
  for (fs::directory_iterator at(folder, unreadable), end; !unreadable && at != end; at.increment(unreadable)) {
    if (at->path().filename().string().starts_with("tp_rank_")) ++count;
  }
  if (count == 0) {
    throw InputError(
        "{}: no folder tp_rank_0; give the folder of one run of vLLM-Hook, which has the run's id as its name",
        folder.string());
  }
  for (std::int64_t rank = 0; rank < count; ++rank) {
    if (fs::is_directory(rank_path(folder, rank), unreadable)) continue;
    throw InputError("{}: no folder tp_rank_{} among {} of such names; copy the folders of all tensor-parallel ranks",
                     folder.string(), rank, count);
  }
  return count;
}

SafetensorsFile open_tensors(const fs::path& rank) {
  std::error_code unknown;
  if (fs::exists(rank / "qk.pt", unknown) && !fs::exists(rank / "qk.safetensors", unknown)) {
    throw InputError("{}: is written by torch.save, which is not read; record again with VLLM_HOOK_USE_SAFETENSORS=1",
                     (rank / "qk.pt").string());
  }
  return SafetensorsFile(rank / "qk.safetensors");
}

/// Of a rank's share: KV heads are repeated where there are more ranks.
std::int64_t kv_heads_of_rank(const HeadShape& heads, std::int64_t ranks) {
  return std::max<std::int64_t>(1, heads.num_kv_heads / ranks);
}

void check_division(const std::string& path, const HeadShape& heads, std::int64_t ranks) {
  const bool divides = heads.num_heads % ranks == 0 && heads.num_heads % heads.num_kv_heads == 0 &&
                       (heads.num_kv_heads % ranks == 0 || ranks % heads.num_kv_heads == 0);
  if (divides) return;
  throw InputError("{}: {} heads over {} KV heads cannot be divided among {} ranks; copy the folders of all ranks",
                   path, heads.num_heads, heads.num_kv_heads, ranks);
}

/// Checks that a tensor holds `heads` heads of all entries.
void check_tensor(const SafetensorsFile& file, const std::string& name, const HookInfo& info, std::int64_t heads,
                  std::int64_t head_dim, bool is_known) {
  const Tensor& tensor = file.at(name);
  const std::int64_t longest = std::ranges::max(info.lengths);
  const bool has_entries = tensor.shape.size() == 3 && tensor.shape[0] == std::ssize(info.lengths) &&
                           tensor.shape[1] == longest && is_float_weight(tensor.dtype);
  if (!has_entries) {
    throw InputError(
        "{}: tensor \"{}\" is {} {}, but qk.json tells of {} entries of at most {} tokens, in F32, F16 or BF16; record "
        "the run again",
        file.path().string(), name, dtype_name(tensor.dtype), shape_text(tensor.shape), info.lengths.size(), longest);
  }
  if (tensor.shape[2] == heads * head_dim) return;
  throw InputError("{}: tensor \"{}\" has {} columns, which are not {} heads of {}; {}", file.path().string(), name,
                   tensor.shape[2], heads, head_dim,
                   is_known ? "give the configuration of the model that was run, and the folders of all ranks"
                            : "the plugin takes hidden_size / num_attention_heads for the size of a head: give the "
                              "model's configuration, and the folders of all ranks");
}

/// Reads rows of some columns of an entry.
void read_rows(const SafetensorsFile& file, const std::string& name, std::int64_t entry, Slice rows, Slice columns,
               std::span<float> target) {
  const Tensor& tensor = file.at(name);
  const std::size_t size = dtype_size(tensor.dtype), width = static_cast<std::size_t>(columns.size());
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const auto first = static_cast<std::size_t>((entry * tensor.shape[1] + row) * tensor.shape[2] + columns.begin);
    const auto out = target.subspan(static_cast<std::size_t>(row - rows.begin) * width, width);
    to_float32(tensor.dtype, tensor.data.data() + first * size, out);
    const auto bad = std::ranges::find_if(out, [](float value) { return !std::isfinite(value); });
    if (bad == out.end()) continue;
    refuse_not_finite(part_of(file, tensor), *bad, kHookAxes, {entry, row, columns.begin + (bad - out.begin())});
  }
}

}  // namespace

VllmHookRun::VllmHookRun(const fs::path& folder, const std::optional<HeadShape>& known) : folder_(folder) {
  const std::int64_t ranks = count_ranks(folder);
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const fs::path path = rank_path(folder, rank);
    const SafetensorsFile& file = ranks_.emplace_back(open_tensors(path));
    HookInfo own = read_hook_info(path / "qk.json", rank);
    if (rank == 0) {
      info_ = std::move(own);
      heads_ = known.value_or(info_.heads);
      check_division((path / "qk.json").string(), heads_, ranks);
    } else if (own != info_) {
      throw InputError("{}: differs from that of tp_rank_0; copy the folders of all ranks of one run",
                       (path / "qk.json").string());
    }
    for (const HookInfo::Layer& layer : info_.layers) {
      check_tensor(file, layer.queries, info_, heads_.num_heads / ranks, heads_.head_dim, known.has_value());
      check_tensor(file, layer.keys, info_, kv_heads_of_rank(heads_, ranks), heads_.head_dim, known.has_value());
    }
  }
}

std::string VllmHookRun::dtype() const {
  std::set<std::string_view> names;
  for (const HookInfo::Layer& layer : info_.layers) {
    for (const std::string& name : {layer.queries, layer.keys}) names.insert(dtype_name(ranks_[0].at(name).dtype));
  }
  return fmt::format("{}", fmt::join(names, " and "));
}

std::vector<std::vector<std::int64_t>> VllmHookRun::entries_of(std::span<const RecordedText> texts) const {
  std::vector<std::int64_t> held;
  std::int64_t tokens = 0;
  for (std::int64_t entry = 0; entry < std::ssize(info_.lengths); ++entry) {
    if (length(entry) > 0) held.push_back(entry);
    tokens += length(entry);
  }
  const char* remedy =
      "record without a prefix cache (enable_prefix_caching=False), which leaves out tokens that were seen before, and "
      "give the token ids that vLLM ran";
  if (texts.size() == 1) {
    if (tokens == texts[0].num_tokens) return {held};
    throw InputError("{}: holds {} tokens, but the text '{}' has {}; {}", folder_.string(), tokens, texts[0].name,
                     texts[0].num_tokens, remedy);
  }
  if (texts.size() != held.size()) {
    throw InputError(
        "{}: holds {} entries, but {} texts are given; give those that were run, or, where vLLM computed them in "
        "parts, "
        "record each in a run of its own",
        folder_.string(), held.size(), texts.size());
  }
  std::vector<std::vector<std::int64_t>> out;
  for (const RecordedText& text : texts) {
    const auto same = std::ranges::find_if(
        texts, [&](const RecordedText& other) { return &other != &text && other.num_tokens == text.num_tokens; });
    if (same != texts.end()) {
      throw InputError(
          "{}: the texts '{}' and '{}' both have {} tokens, and nothing tells which entry is whose; record each in a "
          "run "
          "of its own",
          folder_.string(), text.name, same->name, text.num_tokens);
    }
    const auto entry = std::ranges::find_if(held, [&](std::int64_t e) { return length(e) == text.num_tokens; });
    if (entry == held.end()) {
      throw InputError("{}: no entry has the {} tokens of the text '{}'; {}", folder_.string(), text.num_tokens,
                       text.name, remedy);
    }
    out.push_back({*entry});
  }
  return out;
}

void VllmHookRun::read_queries(std::int64_t layer, std::int64_t head, std::int64_t entry, Slice rows,
                               std::span<float> target) const {
  const std::int64_t share = heads_.num_heads / std::ssize(ranks_), first = head % share * heads_.head_dim;
  read_rows(ranks_.at(static_cast<std::size_t>(head / share)), layer_at(layer).queries, entry, rows,
            {first, first + heads_.head_dim}, target);
}

void VllmHookRun::read_keys(std::int64_t layer, std::int64_t kv_head, std::int64_t entry, Slice rows,
                            std::span<float> target) const {
  const std::int64_t ranks = std::ssize(ranks_), share = kv_heads_of_rank(heads_, ranks);
  const std::int64_t copies = std::max<std::int64_t>(1, ranks / heads_.num_kv_heads);
  const std::int64_t rank = kv_head / share * copies, first = kv_head % share * heads_.head_dim;
  read_rows(ranks_.at(static_cast<std::size_t>(rank)), layer_at(layer).keys, entry, rows,
            {first, first + heads_.head_dim}, target);
}

void VllmHookRun::release(std::int64_t layer) const {
  const HookInfo::Layer& names = layer_at(layer);
  for (const SafetensorsFile& file : ranks_) {
    for (const std::string& name : {names.queries, names.keys}) file.file().release(file.at(name).data);
  }
}

}  // namespace logitfield::io
