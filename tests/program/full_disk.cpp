// Preloaded into the program by full_disk_test.py: a disk that is full once FULL_DISK_ROOM bytes have been written to
// files whose path contains FULL_DISK_PATH. At the end it adds the number of bytes written there to the file
// FULL_DISK_COUNT, if that is set.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<long long> written{0};

bool is_on_the_disk(int file) {
  const char* part = std::getenv("FULL_DISK_PATH");
  char link[64], path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = ::readlink(link, path, sizeof path - 1);
  if (!part || length < 0) return false;
  path[length] = '\0';
  return std::strstr(path, part) != nullptr;
}

/// Room for at most `wanted` more bytes, which are counted as written; all of them for a file elsewhere.
std::size_t take(int file, std::size_t wanted) {
  if (!is_on_the_disk(file)) return wanted;
  const char* room = std::getenv("FULL_DISK_ROOM");
  const long long left = (room ? std::atoll(room) : LLONG_MAX) - written;
  const std::size_t given = left <= 0                                 ? 0
                            : static_cast<std::size_t>(left) < wanted ? static_cast<std::size_t>(left)
                                                                      : wanted;
  written += static_cast<long long>(given);
  return given;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

struct Count {
  ~Count() {
    const char* path = std::getenv("FULL_DISK_COUNT");
    std::FILE* file = path && written > 0 ? std::fopen(path, "a") : nullptr;
    if (!file) return;
    std::fprintf(file, "%lld\n", written.load());
    std::fclose(file);
  }
} count;

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  const size_t room = take(file, size);
  if (room == 0 && size > 0) return errno = ENOSPC, -1;
  return real(file, bytes, room);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  const size_t room = take(file, size);
  if (room == 0 && size > 0) return errno = ENOSPC, -1;
  return real(file, bytes, room, offset);
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) { return pwrite(file, bytes, size, offset); }

int fallocate(int file, int mode, off_t offset, off_t size) {
  static const auto real = next<int (*)(int, int, off_t, off_t)>("fallocate");
  if (take(file, static_cast<size_t>(size)) < static_cast<size_t>(size)) return errno = ENOSPC, -1;
  return real(file, mode, offset, size);
}

int fallocate64(int file, int mode, off64_t offset, off64_t size) { return fallocate(file, mode, offset, size); }

}  // extern "C"
