#!/usr/bin/env bash
# bench/gpu/build.sh [CMake options]: builds the programs that bench/gpu.sh runs into build/gpu/programs: gpu_tests and
# gpu_bench from kernels/ alone, then logitfield and make_checkpoint if the whole program's libraries are here. Exits
# with 2 and the reason if kernels/ cannot be built.
set -euo pipefail
cd "$(dirname "$0")/../.."
programs=build/gpu/programs
rm -rf $programs  # none of an earlier build
mkdir -p $programs

missing=()
for tool in nvcc cmake c++; do command -v $tool >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -eq 0 ] || { echo "missing: ${missing[*]} (CUDA toolkit 12.6 or later, CMake 3.25, a C++20 compiler)" >&2; exit 2; }
generator=(); command -v ninja >/dev/null && generator=(-G Ninja)

configure() {  # SOURCES NAME [options]
  local log=build/gpu/$2.log
  cmake -S "$1" -B "build/gpu/$2" "${generator[@]}" -DLOGITFIELD_CUDA=ON "${@:3}" >"$log" 2>&1 || { grep -A6 'CMake Error' "$log" >&2; return 1; }
}

configure kernels kernels "$@" || {
  echo "kernels/ needs beside CUDA: libeigen3-dev libfmt-dev libopenblas-dev liblapacke-dev libgtest-dev (Debian's names)" >&2
  exit 2
}
# Builds both at the same time, because each ends with one long compilation.
jobs=$((($(nproc) + 1) / 2))
cmake --build build/gpu/kernels -j $jobs --target gpu_tests gpu_bench &
kernels=$!
if configure . whole -DLOGITFIELD_TESTS=OFF -DLOGITFIELD_BENCH=OFF "$@" &&
  cmake --build build/gpu/whole -j $jobs --target logitfield make_checkpoint; then
  ln -sf ../whole/logitfield ../whole/bench/make_checkpoint $programs
else
  echo "the whole program is not built (./dev names its packages): whole runs are not compared" >&2
fi
wait $kernels
ln -sf ../kernels/tests/gpu_tests ../kernels/bench/gpu_bench $programs
