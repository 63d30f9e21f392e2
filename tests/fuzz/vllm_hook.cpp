// qk.json of vLLM-Hook, beside the tensors of one layer: an entry of 3 tokens, 2 query heads over 1 KV head of 4
// columns.
#include "io/capture/vllm_hook.hpp"

#include <cmath>

#include "io/safetensors_writer.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {
namespace {

/// Writes the tensors, zeros, into the folder of the only rank.
std::filesystem::path prepared(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "tp_rank_0");
  const auto zeros = [](std::size_t, std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{}); };
  const std::vector<io::TensorToWrite> tensors{{"q", io::DType::F32, {1, 3, 8}, zeros},
                                               {"k", io::DType::F32, {1, 3, 4}, zeros}};
  io::write_safetensors(folder / "tp_rank_0" / "qk.safetensors", tensors);
  return folder;
}

void require_sound(const io::VllmHookRun& run) {
  const io::HeadShape& heads = run.heads();
  require(std::isfinite(run.told().scale) && run.told().scale > 0, "the scale is positive and finite");
  require(run.num_layers() >= 1 && run.length(0) == 3, "sizes are those of the tensors");
  std::vector<float> rows(static_cast<std::size_t>(3 * heads.head_dim));
  for (std::int64_t head = 0; head < heads.num_heads; ++head) {
    run.read_queries(run.num_layers() - 1, head, 0, {0, 3}, rows);
  }
  for (std::int64_t head = 0; head < heads.num_kv_heads; ++head) {
    run.read_keys(run.num_layers() - 1, head, 0, {0, 3}, rows);
  }
  const std::vector<io::RecordedText> text{{"text", 3}};
  require(run.entries_of(text).size() == 1, "the text is the entry");
}

}  // namespace

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  static const auto run = prepared(folder.path() / "run");
  folder.write("run/tp_rank_0/qk.json", input);
  accepts([&] { require_sound(io::VllmHookRun(run)); });
}

}  // namespace logitfield::fuzz
