#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

namespace logitfield::io {

/// Bytes that the control groups of this process (cgroups of version 1 and 2: containers, SLURM's jobs, systemd's
/// slices) still allow: the least over its group and all groups above it of the limit minus what is in use, where
/// cached files that can be dropped do not count. Empty where there is no limit. `root` stands for "/".
std::optional<std::uint64_t> free_in_control_groups(const std::filesystem::path& root = "/");

}  // namespace logitfield::io
