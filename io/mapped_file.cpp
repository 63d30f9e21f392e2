#include "io/mapped_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "io/descriptor.hpp"
#include "io/error.hpp"
#include "io/mapped_regions.hpp"

namespace logitfield::io {
namespace {

/// Calls madvise on the pages of `part`: all that it touches (widen), or those wholly inside it. The return value is
/// ignored, because refused advice changes no result.
void advise(std::span<const std::byte> part, int advice, bool widen) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  const auto end = begin + part.size();
  const auto first = (widen ? begin : begin + page - 1) / page * page;
  const auto last = widen ? end : end / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, advice);
}

}  // namespace

MappedFile::MappedFile(std::filesystem::path path) : path_(std::move(path)) {
  const Descriptor file = Descriptor::of_regular_file(path_);
  const std::size_t size = file.size(path_);
  if (size == 0) throw InputError("{}: the file is empty; copy or download it again", path_.string());
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (start == MAP_FAILED) throw_system_error(path_, Access::read, errno);
  bytes_ = {static_cast<const std::byte*>(start), size};
  remember_mapped(bytes_, path_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  forget_mapped(bytes_);
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::prefetch(std::span<const std::byte> part) const { advise(part, MADV_WILLNEED, true); }

void MappedFile::release(std::span<const std::byte> part) const { advise(part, MADV_DONTNEED, false); }

}  // namespace logitfield::io
