#pragma once
#include <cstdint>
#include <filesystem>
#include <span>

#include "io/capture/capture.hpp"

namespace logitfield::io {

/// Writes a capture folder (see Capture) in F32, from several processes that share its file system. Until a layer is
/// complete, its file is named layer_000.safetensors.tmp. capture.json comes last: a folder without it is incomplete.
/// Every member throws InputError naming the file and the reason if a system call fails (a full disk included).
class CaptureWriter {
 public:
  CaptureWriter(std::filesystem::path folder, CaptureInfo info);

  /// Throws InputError if the path is a folder that is not empty, or a file; creates nothing.
  void check() const;
  /// Called by one process: creates the folder and its parents. Throws InputError if the folder exists and is not
  /// empty.
  void create() const;
  /// Tells whether the folder exists, which create() makes.
  bool has_folder() const;
  /// Called by one process, before any process writes to the layer: creates its temporary file with complete header and
  /// full size. The space is reserved, so that a full disk is an error here.
  void create_layer(std::int64_t layer) const;
  /// Called by any process, in any order. `rows` is [number of rows, head_dim]; its first row is row `first_row` of the
  /// head.
  void write_queries(std::int64_t layer, std::int64_t head, std::int64_t first_row, std::span<const float> rows) const;
  void write_keys(std::int64_t layer, std::int64_t kv_head, std::int64_t first_row, std::span<const float> rows) const;
  /// Called by one process, after all have written the layer: syncs the file and gives it its final name.
  void finish_layer(std::int64_t layer) const;
  /// Called by one process: writes tokens.npy, the ids of the text's tokens, which a capture need not hold.
  void write_tokens(std::span<const std::int32_t> tokens) const;
  /// Called by one process, after every layer is finished: writes capture.json.
  void finish() const;

 private:
  std::filesystem::path folder_;
  CaptureInfo info_;
};

}  // namespace logitfield::io
