#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <filesystem>

namespace logitfield::io {

/// Capture and CaptureWriter share these: "format" and "version" of capture.json, and the names of the files.
inline constexpr const char* kCaptureFormat = "logitfield-capture";
inline constexpr std::int64_t kCaptureVersion = 1;

/// Return the paths of capture.json and of a layer's file.
inline std::filesystem::path capture_info_path(const std::filesystem::path& folder) { return folder / "capture.json"; }
/// Returns the path of the text's token ids, which a capture need not hold.
inline std::filesystem::path capture_tokens_path(const std::filesystem::path& folder) { return folder / "tokens.npy"; }
inline std::filesystem::path capture_layer_path(const std::filesystem::path& folder, std::int64_t layer) {
  return folder / fmt::format("layer_{:03}.safetensors", layer);
}

}  // namespace logitfield::io
