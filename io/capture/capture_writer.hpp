#pragma once
#include <cstdint>
#include <filesystem>
#include <span>

#include "io/capture/capture.hpp"

namespace logitfield::io {

/// Writes a capture folder (see Capture) in F32, from several processes that share its file system. A layer lies in
/// layer_000.safetensors.tmp until it is complete, and capture.json comes last: a folder without it is incomplete.
/// Every member throws InputError naming the file and the reason where a system call fails (a full disk included).
class CaptureWriter {
 public:
  CaptureWriter(std::filesystem::path folder, CaptureInfo info);

  /// Throws InputError if there is a folder with anything in it, or a file of that name; makes nothing.
  void check() const;
  /// By one process: makes the folder and its parents. Throws InputError if there is one with anything in it.
  void create() const;
  /// Has it been created?
  bool has_folder() const;
  /// By one process, before any writes to the layer: its temporary file, with complete header and full size. Its space
  /// is reserved, so that a full disk is an error here.
  void create_layer(std::int64_t layer) const;
  /// By any process, in any order: `rows` is [number of rows, head_dim], the first of them row `first_row` of the head.
  void write_queries(std::int64_t layer, std::int64_t head, std::int64_t first_row, std::span<const float> rows) const;
  void write_keys(std::int64_t layer, std::int64_t kv_head, std::int64_t first_row, std::span<const float> rows) const;
  /// By one process, after all have written the layer: syncs the file and gives it its final name.
  void finish_layer(std::int64_t layer) const;
  /// By one process, after every layer is finished: capture.json.
  void finish() const;

 private:
  std::filesystem::path folder_;
  CaptureInfo info_;
};

}  // namespace logitfield::io
