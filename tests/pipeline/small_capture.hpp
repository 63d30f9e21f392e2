#pragma once
#include <filesystem>

#include "io/capture/capture_writer.hpp"
#include "pipeline/job/job.hpp"

namespace logitfield::testing {

/// 2 layers, 4 query heads over 2 KV heads.
inline io::CaptureInfo small_capture(std::int64_t tokens, std::int64_t head_dim = 2) {
  io::CaptureInfo info;
  info.model = "small";
  info.num_layers = 2;
  info.num_heads = 4;
  info.num_kv_heads = 2;
  info.head_dim = head_dim;
  info.num_tokens = tokens;
  info.scale = 0.5;
  info.source = "test";
  return info;
}

/// Writes a valid capture of zeros; plans read only its headers.
inline void write_zeros(const std::filesystem::path& folder, const io::CaptureInfo& info) {
  const io::CaptureWriter writer(folder, info);
  writer.create();
  for (std::int64_t layer = 0; layer < info.num_layers; ++layer) {
    writer.create_layer(layer);
    writer.finish_layer(layer);
  }
  writer.finish();
}

}  // namespace logitfield::testing
