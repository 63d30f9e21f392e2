#include "io/memory_limits.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

/// A root folder with the files that the kernel shows a process.
class Root {
 public:
  void write(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << content;
  }
  void version2(const std::string& own, const std::string& mounted = "/") const {
    write("proc/self/cgroup", "0::" + own + "\n");
    write("proc/self/mountinfo", "24 1 0:22 / / rw - ext4 /dev/sda1 rw\n30 24 0:26 " + mounted +
                                     " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void version1(const std::string& own, const std::string& mounted = "/") const {
    write("proc/self/cgroup", "12:cpu,cpuacct:/elsewhere\n7:memory:" + own + "\n1:name=systemd:/x\n");
    write("proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 25 0:29 " +
                                     mounted + " /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  }
  std::optional<std::uint64_t> free_bytes() const { return free_in_control_groups(folder_.path()); }

 private:
  testing::TemporaryFolder folder_;
};

TEST(MemoryLimits, AreUnknownWithoutControlGroupsAndWithoutLimits) {
  const Root root;
  EXPECT_EQ(root.free_bytes(), std::nullopt);
  root.version2("/user.slice");
  EXPECT_EQ(root.free_bytes(), std::nullopt);
  root.write("sys/fs/cgroup/user.slice/memory.max", "max\n");
  root.write("sys/fs/cgroup/user.slice/memory.current", "1000\n");
  EXPECT_EQ(root.free_bytes(), std::nullopt);
}

TEST(MemoryLimits, OfVersion2AreTheLeastOfTheGroupAndThoseAbove) {
  const Root root;
  root.version2("/job/step");
  root.write("sys/fs/cgroup/job/step/memory.max", "max\n");
  root.write("sys/fs/cgroup/job/step/memory.current", "600\n");
  root.write("sys/fs/cgroup/job/memory.max", "1000\n");
  root.write("sys/fs/cgroup/job/memory.current", "700\n");
  root.write("sys/fs/cgroup/job/memory.stat", "anon 500\nfile 200\ninactive_file 150\nactive_file 50\n");
  EXPECT_EQ(root.free_bytes(), 450U);
  root.write("sys/fs/cgroup/job/step/memory.max", "650\n");
  EXPECT_EQ(root.free_bytes(), 50U);
  root.write("sys/fs/cgroup/job/step/memory.max", "500\n");
  EXPECT_EQ(root.free_bytes(), 0U);
}

/// The kernel shows a container its own group as the root of the hierarchy.
TEST(MemoryLimits, OfContainersAreThoseOfTheMountedGroup) {
  const Root root;
  root.version2("/");
  root.write("sys/fs/cgroup/memory.max", "4000\n");
  root.write("sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(root.free_bytes(), 3000U);
  root.version2("/docker/abc/inner", "/docker/abc");
  root.write("sys/fs/cgroup/inner/memory.max", "900\n");
  root.write("sys/fs/cgroup/inner/memory.current", "100\n");
  EXPECT_EQ(root.free_bytes(), 800U);
  root.version2("/docker/hidden");
  EXPECT_EQ(root.free_bytes(), 3000U);
}

TEST(MemoryLimits, OfVersion1Count) {
  const Root root;
  root.version1("/slurm/uid_7/job_9");
  root.write("sys/fs/cgroup/memory/slurm/uid_7/job_9/memory.limit_in_bytes", "2000\n");
  root.write("sys/fs/cgroup/memory/slurm/uid_7/job_9/memory.usage_in_bytes", "1500\n");
  root.write("sys/fs/cgroup/memory/slurm/uid_7/job_9/memory.stat",
             "cache 600\ninactive_file 1\ntotal_inactive_file 400\n");
  root.write("sys/fs/cgroup/memory/slurm/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("sys/fs/cgroup/memory/slurm/memory.usage_in_bytes", "1500\n");
  EXPECT_EQ(root.free_bytes(), 900U);
  root.version1("/docker/abc", "/docker/abc");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "700\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "200\n");
  EXPECT_EQ(root.free_bytes(), 500U);
}

}  // namespace
}  // namespace logitfield::io
