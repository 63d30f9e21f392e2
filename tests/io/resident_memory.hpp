#pragma once
#include <unistd.h>

#include <cstddef>
#include <fstream>

namespace logitfield::testing {

/// Bytes of mapped files that this process has touched.
inline std::size_t resident_file_bytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::size_t of_files = 0;
  std::ifstream("/proc/self/statm") >> total >> resident >> of_files;
  return of_files * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace logitfield::testing
