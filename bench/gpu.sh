#!/usr/bin/env bash
# bench/gpu.sh [FOLDER]: builds kernels/ with CUDA, runs its tests, compute-sanitizer and benchmarks on the first GPU,
# and writes one table, FOLDER/DATE-gpu-DEVICE.md [bench/results]. Needs neither MPI nor network. If something is
# missing, says so and exits with 2. Libraries in unusual places: CMAKE_PREFIX_PATH. Without a GPU it only builds (and
# exits with 2). A failed test or a wrong answer: exit 1.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/cuda/bin" OPENBLAS_NUM_THREADS=1
build=build/kernels-cuda results=${1:-bench/results}
mkdir -p build "$results"

missing=()
for tool in nvcc cmake c++; do command -v $tool >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -eq 0 ] || { echo "missing: ${missing[*]} (CUDA toolkit 12.6 or later, CMake 3.25, a C++20 compiler)" >&2; exit 2; }
generator=(); command -v ninja >/dev/null && generator=(-G Ninja)
if ! cmake -S kernels -B $build "${generator[@]}" -DLOGITFIELD_CUDA=ON >build/gpu-configure.log 2>&1; then
  grep -A6 'CMake Error' build/gpu-configure.log >&2
  echo "kernels/ needs beside CUDA: libeigen3-dev libfmt-dev libopenblas-dev liblapacke-dev libgtest-dev (Debian's names)" >&2
  exit 2
fi
cmake --build $build -j "$(nproc)" --target gpu_tests gpu_bench

command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1 || { echo "built; no GPU is here to run it on" >&2; exit 2; }
device=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0 | tr -c 'A-Za-z0-9\n' '-' | head -1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0 | head -1)
table=$results/$(date +%F)-gpu-$device.md status=0

run() {  # NAME COMMAND...: a line of the table's head; the output where it failed
  local name=$1; shift
  if "$@" >"build/gpu-run.log" 2>&1 && ! grep -q 'SKIPPED' build/gpu-run.log; then
    echo "- $name: passed" >>"$table"
  else
    status=1
    { echo "- $name: **failed**"; echo '```'; tail -40 build/gpu-run.log; echo '```'; } | tee -a "$table"
  fi
}
{
  echo "# $device, $(date +%F)"
  echo
  echo "Driver $driver, $(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/CUDA \1/p'), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)."
  echo "Events around each call (the host's clock where host threads take part): with a cache full of other data; one after another. Medians."
  echo
} >"$table"
tests=($build/tests/gpu_tests '--gtest_filter=-Device.WithoutOneTheReasonIsGiven')
run "kernel tests" "${tests[@]}"
if command -v compute-sanitizer >/dev/null; then
  run "memcheck" compute-sanitizer --tool memcheck --error-exitcode 1 "${tests[@]}"
  run "racecheck" compute-sanitizer --tool racecheck --error-exitcode 1 "${tests[@]}"
else
  echo "- compute-sanitizer: not on this machine" >>"$table"
fi
echo >>"$table"
if ! $build/bench/gpu_bench --json build/gpu-bench.json >>"$table" 2>build/gpu-bench.log; then
  status=1
  { echo "benchmark **failed**: "; cat build/gpu-bench.log; } | tee -a "$table"
elif python3 -c 'import torch' 2>/dev/null; then
  { echo; python3 bench/gpu_beside_pytorch.py build/gpu-bench.json; } >>"$table" || status=1
else
  printf '\nPyTorch is not on this machine: not compared.\n' >>"$table"
fi
cat "$table"
exit $status
