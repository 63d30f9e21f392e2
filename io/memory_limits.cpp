#include "io/memory_limits.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

/// Names of the files of one version of the interface.
struct Interface {
  const char *limit, *usage, *droppable;
};
constexpr Interface kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr Interface kVersion2{"memory.max", "memory.current", "inactive_file"};
/// Version 1 expresses "no limit" by a number above this.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) out.push_back(part);
  return out;
}

bool names(const std::string& list, std::string_view name) {
  const std::vector<std::string> parts = split(list, ',');
  return std::find(parts.begin(), parts.end(), name) != parts.end();
}

/// Returns nothing for "max", or if the file is missing.
std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::uint64_t entry_of(const fs::path& statistics, const std::string& wanted) {
  std::ifstream file(statistics);
  std::string key;
  for (std::uint64_t value = 0; file >> key >> value;) {
    if (key == wanted) return value;
  }
  return 0;
}

/// Returns the bytes that one group still allows.
std::optional<std::uint64_t> free_in(const fs::path& group, const Interface& files) {
  const auto limit = number_in(group / files.limit), usage = number_in(group / files.usage);
  if (!limit || !usage || *limit >= kNoLimit) return std::nullopt;
  const std::uint64_t droppable = std::min(*usage, entry_of(group / "memory.stat", files.droppable));
  const std::uint64_t used = *usage - droppable;
  return *limit > used ? *limit - used : 0;
}

/// Returns the least free_in() of a group and the groups above it, up to the mount point of the hierarchy.
std::optional<std::uint64_t> free_up_to(fs::path group, const fs::path& mount, const Interface& files) {
  std::optional<std::uint64_t> least;
  while (true) {
    if (const auto own = free_in(group, files)) least = std::min(least.value_or(*own), *own);
    if (group == mount || !group.has_relative_path()) return least;
    group = group.parent_path();
  }
}

/// A mounted hierarchy: where it is mounted, and which of its groups is mounted there.
struct Mount {
  std::string point, group;
};

/// From /proc/self/mountinfo: "36 25 0:32 GROUP POINT OPTIONS ... - TYPE SOURCE SUPER_OPTIONS".
std::optional<Mount> find_mount(const fs::path& root, bool version2) {
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> before = split(line.substr(0, dash), ' '),
                                   behind = split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || behind.size() < 3) continue;
    const bool fits = version2 ? behind[0] == "cgroup2" : behind[0] == "cgroup" && names(behind[2], "memory");
    if (fits) return Mount{before[4], before[3]};
  }
  return std::nullopt;
}

/// Returns the folder of this process's group. Where that is not visible, as in some containers, it is the mounted
/// group's.
fs::path folder_of(const Mount& mount, const std::string& group, const fs::path& mounted) {
  const std::string prefix = mount.group == "/" ? "" : mount.group;
  if (!group.starts_with(prefix)) return mounted;
  const fs::path own = (mounted / fs::path(group.substr(prefix.size())).relative_path()).lexically_normal();
  return fs::is_directory(own) ? own : mounted;
}

}  // namespace

std::optional<std::uint64_t> free_in_control_groups(const fs::path& root) {
  // Lines "HIERARCHY:CONTROLLERS:GROUP"; version 2 has hierarchy 0 and names no controllers.
  std::ifstream file(root / "proc/self/cgroup");
  std::optional<std::uint64_t> least;
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (!version2 && !names(controllers, "memory")) continue;
    const std::optional<Mount> mount = find_mount(root, version2);
    if (!mount) continue;
    const fs::path mounted = (root / fs::path(mount->point).relative_path()).lexically_normal();
    const fs::path group = folder_of(*mount, line.substr(second + 1), mounted);
    const auto own = free_up_to(group, mounted, version2 ? kVersion2 : kVersion1);
    if (own) least = std::min(least.value_or(*own), *own);
  }
  return least;
}

}  // namespace logitfield::io
