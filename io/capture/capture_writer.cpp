#include "io/capture/capture_writer.hpp"

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "io/capture/capture_format.hpp"
#include "io/descriptor.hpp"
#include "io/error.hpp"
#include "io/file.hpp"
#include "io/npy.hpp"
#include "io/safetensors_writer.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

/// The name does not depend on the process, because all processes write to the same file.
fs::path temporary_path(const fs::path& folder, std::int64_t layer) {
  return capture_layer_path(folder, layer).string() + ".tmp";
}

void check_layer(const CaptureInfo& info, std::int64_t layer) {
  if (layer < 0 || layer >= info.num_layers) throw std::out_of_range("CaptureWriter: no such layer");
}

/// Offsets of all parts of a layer's file, in bytes; the same in every process.
struct LayerLayout {
  explicit LayerLayout(const CaptureInfo& info) {
    const std::array tensors = {
        TensorToWrite{"q", DType::F32, {info.num_heads, info.num_tokens, info.head_dim}, {}},
        TensorToWrite{"k", DType::F32, {info.num_kv_heads, info.num_tokens, info.head_dim}, {}}};
    head = safetensors_head(tensors);
    const auto head_size = static_cast<std::size_t>(info.num_tokens * info.head_dim) * sizeof(float);
    queries = head.size();
    keys = queries + static_cast<std::size_t>(info.num_heads) * head_size;
    end = keys + static_cast<std::size_t>(info.num_kv_heads) * head_size;
  }

  /// Bytes before the tensors.
  std::string head;
  std::size_t queries = 0;
  std::size_t keys = 0;
  std::size_t end = 0;
};

/// Writes rows of one of `num_heads` matrices, which are stored one after the other from byte `begin` on.
void write_rows(const fs::path& path, const CaptureInfo& info, std::size_t begin, std::int64_t num_heads,
                std::int64_t head, std::int64_t first_row, std::span<const float> rows) {
  const auto num_rows = static_cast<std::int64_t>(rows.size()) / info.head_dim;
  if (head < 0 || head >= num_heads || first_row < 0 || first_row > info.num_tokens ||
      num_rows > info.num_tokens - first_row || rows.size() != static_cast<std::size_t>(num_rows * info.head_dim)) {
    throw std::invalid_argument("CaptureWriter: no such head or rows, or no whole number of rows");
  }
  const auto first = static_cast<std::size_t>((head * info.num_tokens + first_row) * info.head_dim);
  write_at(path, begin + first * sizeof(float), std::as_bytes(rows));
}

/// Returns a list of the numbers, with null for 0.
nlohmann::ordered_json with_nulls(const std::vector<std::int64_t>& values) {
  auto out = nlohmann::ordered_json::array();
  for (const std::int64_t value : values) out.push_back(value > 0 ? nlohmann::ordered_json(value) : nullptr);
  return out;
}

}  // namespace

CaptureWriter::CaptureWriter(fs::path folder, CaptureInfo info) : folder_(std::move(folder)), info_(std::move(info)) {}

void CaptureWriter::check() const {
  std::error_code error;
  if (!fs::exists(folder_, error) && !error) return;
  if (!error && !fs::is_directory(folder_, error) && !error) throw_system_error(folder_, Access::write, ENOTDIR);
  const bool is_empty = !error && fs::is_empty(folder_, error);
  if (error) throw_system_error(folder_, Access::read, error.value());
  if (!is_empty) {
    throw InputError("{}: the folder is not empty; choose another folder for the capture, or empty this one",
                     folder_.string());
  }
}

void CaptureWriter::create() const {
  check();
  make_folder(folder_);
}

bool CaptureWriter::has_folder() const {
  std::error_code unknown;
  return fs::is_directory(folder_, unknown);
}

void CaptureWriter::create_layer(std::int64_t layer) const {
  check_layer(info_, layer);
  const LayerLayout layout(info_);
  create_sized(temporary_path(folder_, layer), std::as_bytes(std::span(layout.head)), layout.end);
}

void CaptureWriter::write_queries(std::int64_t layer, std::int64_t head, std::int64_t first_row,
                                  std::span<const float> rows) const {
  check_layer(info_, layer);
  write_rows(temporary_path(folder_, layer), info_, LayerLayout(info_).queries, info_.num_heads, head, first_row, rows);
}

void CaptureWriter::write_keys(std::int64_t layer, std::int64_t kv_head, std::int64_t first_row,
                               std::span<const float> rows) const {
  check_layer(info_, layer);
  write_rows(temporary_path(folder_, layer), info_, LayerLayout(info_).keys, info_.num_kv_heads, kv_head, first_row,
             rows);
}

void CaptureWriter::finish_layer(std::int64_t layer) const {
  check_layer(info_, layer);
  sync_and_rename(temporary_path(folder_, layer), capture_layer_path(folder_, layer));
}

void CaptureWriter::write_tokens(std::span<const std::int32_t> tokens) const {
  write_npy_integers(capture_tokens_path(folder_), tokens);
}

void CaptureWriter::finish() const {
  nlohmann::ordered_json object = {{"format", kCaptureFormat},
                                   {"version", kCaptureVersion},
                                   {"model", info_.model},
                                   {"num_layers", info_.num_layers},
                                   {"num_heads", info_.num_heads},
                                   {"num_kv_heads", info_.num_kv_heads},
                                   {"head_dim", info_.head_dim},
                                   {"num_tokens", info_.num_tokens},
                                   {"scale", info_.scale},
                                   {"causal", true},
                                   {"position_encoding_applied", true},
                                   {"dtype", dtype_name(DType::F32)},
                                   {"source", info_.source}};
  if (!info_.alibi_slopes.empty()) object["alibi_slopes"] = info_.alibi_slopes;
  if (info_.logit_softcap) object["logit_softcap"] = *info_.logit_softcap;
  if (info_.rotation_changes_after > 0) object["rotation_changes_after"] = info_.rotation_changes_after;
  if (!info_.windows.empty()) object["windows"] = with_nulls(info_.windows);
  if (!info_.chunks.empty()) object["chunks"] = with_nulls(info_.chunks);
  if (!info_.sinks.empty()) object["sinks"] = info_.sinks;
  // A model's name may come from a folder's name, which need not be UTF-8.
  const auto text = object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  write_atomically(capture_info_path(folder_), text);
}

}  // namespace logitfield::io
