#include "io/mapped_regions.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "io/mapped_file.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::TemporaryFolder;

std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

/// Reads a byte that the compiler cannot leave out.
void touch(const std::byte* byte) { static_cast<void>(*const_cast<const volatile std::byte*>(byte)); }

/// Reads a page of a file that is cut off before it.
void read_cut_file(const std::filesystem::path& path) {
  tell_of_lost_pages(7);
  MappedFile moved(path);
  const MappedFile file = std::move(moved);
  std::filesystem::resize_file(path, page());
  touch(file.bytes().data());
  touch(file.bytes().data() + page() + 5);
}

TEST(MappedRegions, AFileThatIsCutOffEndsTheProgramWithItsName) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const TemporaryFolder folder;
  const auto path = folder.write("weights\x1b.bin", std::string(3 * page(), 'x'));
  const std::string place = "weights.*x1b.bin: byte " + std::to_string(page() + 5) + " can no longer be read";
  EXPECT_EXIT(read_cut_file(path), ::testing::ExitedWithCode(7), place);
  EXPECT_EXIT(std::thread(read_cut_file, path).join(), ::testing::ExitedWithCode(7), place);
}

TEST(MappedRegions, APageOfNoKnownFileIsToldTooAndAnotherProcessesSignalIsNot) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        tell_of_lost_pages(7);
        const int file = ::memfd_create("shared", 0);
        touch(static_cast<const std::byte*>(::mmap(nullptr, page(), PROT_READ, MAP_SHARED, file, 0)));
      },
      ::testing::KilledBySignal(SIGBUS), "/dev/shm.*free space");
  EXPECT_EXIT((tell_of_lost_pages(7), ::kill(::getpid(), SIGBUS)), ::testing::KilledBySignal(SIGBUS), "^$");
}

}  // namespace
}  // namespace logitfield::io
