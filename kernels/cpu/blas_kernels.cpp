#include "kernels/cpu/blas_kernels.hpp"

#include <cblas.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace logitfield::kernels::cpu {
namespace {

constexpr const char* kVariable = "OPENBLAS_CORETYPE";
constexpr const char* kSelf = "/proc/self/exe";

bool uses(std::string_view chosen, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, chosen) != names.end();
}

}  // namespace

std::string better_blas_kernels(std::string_view chosen, bool avx2, bool avx512) {
  if (uses(chosen, {"SkylakeX", "Cooperlake", "Sapphirerapids", "SapphireRapids"})) return {};
  if (avx512) return "SkylakeX";
  if (avx2 && !uses(chosen, {"Haswell", "Zen"})) return "Haswell";
  return {};
}

void restart_with_best_blas([[maybe_unused]] char** argv) {
#if defined(__x86_64__) && defined(__linux__)
  if (std::getenv(kVariable)) return;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  const std::string better = better_blas_kernels(openblas_get_corename(), avx2, avx512);
  if (better.empty()) return;
  setenv(kVariable, better.c_str(), 1);
  // Each call returns only on failure. The first keeps the program's name in ps and top. The second also finds a file
  // that has been removed or replaced. Without both, the slow kernels are used.
  std::error_code unknown;
  const std::filesystem::path program = std::filesystem::read_symlink(kSelf, unknown);
  execv(program.c_str(), argv);
  execv(kSelf, argv);
#endif
}

}  // namespace logitfield::kernels::cpu
