#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

namespace logitfield::io {

/// Returns the bytes that the control groups of this process still allow (cgroups of version 1 and 2: containers,
/// SLURM's jobs, systemd's slices). This is the minimum of limit minus use, over its group and all groups above it.
/// Cached files that can be dropped do not count as used. Returns nothing if there is no limit. `root` stands for "/".
std::optional<std::uint64_t> free_in_control_groups(const std::filesystem::path& root = "/");

}  // namespace logitfield::io
