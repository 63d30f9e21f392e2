#!/usr/bin/env bash
# Everything that this project can find out on the first GPU of a machine, in one table: FOLDER/DATE-gpu-DEVICE.md.
#   bench/gpu.sh [FOLDER]             builds with this machine's packages and runs [FOLDER: bench/results]
#   bench/gpu.sh --bundle DIR         run it where the packages are: gathers in DIR all that another machine with CUDA needs
#   DIR/gpu.sh --from DIR [FOLDER]    on that machine: runs what DIR holds, or builds it again [FOLDER: .]
# The most useful steps come first, each with a time limit, 9.5 minutes in all; an unfinished table is valid. Raw output
# is in one .log beside it. No network. If something is missing, says so and exits with 2, as without a GPU (after
# building). A failed test, a wrong answer or an unfinished step: exit 1. Libraries in unusual places:
# CMAKE_PREFIX_PATH.
set -euo pipefail
script=$(realpath "$0")
export PATH="$PATH:/usr/local/cuda/bin" OPENBLAS_NUM_THREADS=1
bundle=
case ${1:-} in
  --bundle) exec "${script%.sh}/bundle.sh" "${@:2}" ;;
  --from)
    [ $# -ge 2 ] || { sed -n '2,5s/^# //p' "$script" >&2; exit 2; }
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    tar xf "$2/logitfield-gpu.tar.xz" -C "$folder"
    "$folder/sources/bench/gpu.sh" --unpacked "$folder" "$(realpath -m "${3:-.}")" && exit 0 || exit $? ;;
  --unpacked) bundle=$2; shift 2 ;;
esac
root=$(realpath "$(dirname "$script")/..")
results=$(realpath -m "${1:-$root/bench/results}")
cd "$root"
mkdir -p build/gpu "$results"

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }
[ -n "${CUDAARCHS:-}" ] || ! has_gpu || export CUDAARCHS=native

starts() { "$1/gpu_tests" --gtest_list_tests >/dev/null && "$1/logitfield" --version >/dev/null; }
if [ -z "$bundle" ]; then
  programs=build/gpu/programs
  bench/gpu/build.sh
else
  programs=$bundle/bin
  if ! starts "$programs"; then
    echo "the carried programs do not start here: building them" >&2
    bench/gpu/build.sh $(bench/gpu/options.sh "$bundle")
    install build/gpu/programs/* "$bundle/usr/bin"
  fi
fi
has_gpu || { echo "built; no GPU is here to run it on" >&2; exit 2; }

device=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0 | tr -c 'A-Za-z0-9\n' '-' | head -1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0 | head -1)
commit=$(cat commit 2>/dev/null || git describe --always --dirty 2>/dev/null || echo unknown)
table=$results/$(date +%F)-gpu-$device.md log=${table%.md}.log output=build/gpu/step.log status=0
: >"$log"
{
  echo "# $device, $(date +%F)"
  echo
  echo "Driver $driver, $(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/CUDA \1/p'), commit $commit, $(nproc) host threads."
} >"$table"

keep_log() {  # NAME: the end of a step's output, so that all steps stay below 200 KB
  { echo "=== $1"; tail -c 20000 $output; echo; } >>"$log"
}

check() {  # NAME SECONDS COMMAND...: a line of the table; the end of the output where it failed
  local name=$1 limit=$2 begin=$SECONDS code=0 said=passed
  shift 2
  timeout -k 5 "$limit" "$@" >$output 2>&1 || code=$?
  ! grep -q SKIPPED $output || code=1
  case $code in 0) ;; 124 | 137) said="**not finished** in $limit s" ;; *) said="**failed**" ;; esac
  local counts
  counts=$(grep -hoE '[0-9]+ FAILED TESTS?|PASSED  \] [0-9]+ tests?|(ERROR|RACECHECK) SUMMARY: .*' $output | sed 's/PASSED  \] \(.*\)/\1 passed/' | paste -sd';' | sed 's/;/; /g') || true
  echo "- $name: $said${counts:+ ($counts)}, $((SECONDS - begin)) s" | tee -a "$table"
  keep_log "$name"
  [ $code -ne 0 ] || return 0
  status=1
  { echo '```'; grep -E 'Failure|Error|error|Hazard|hazard|FAILED|off by' $output | awk '!seen[$0]++' | head -20 || true; tail -8 $output; echo '```'; } | cut -c-200 >>"$table"
}

measure() {  # NAME SECONDS COMMAND...: what the command prints becomes a part of the table, line by line
  local name=$1 limit=$2 begin=$SECONDS code=0
  shift 2
  printf '\n## %s\n\n' "$name" >>"$table"
  timeout -k 5 "$limit" "$@" 2>$output.err | tee $output >>"$table" || code=$?
  cat $output.err >>$output
  keep_log "$name"
  case $code in
    0) printf '\n%s s.\n' $((SECONDS - begin)) >>"$table" ;;
    *) status=1; printf '\n**%s** after %s s. %s\n' "$([ $code = 124 ] && echo stopped || echo failed)" $((SECONDS - begin)) "$(tail -3 $output.err)" >>"$table" ;;
  esac
  echo "- $name: exit code $code, $((SECONDS - begin)) s"
}

# compute-sanitizer starts the test itself, not the script that gives it the bundle's libraries.
sanitize() {  # TOOL SECONDS TESTS [options]
  local tests=("$programs/gpu_tests" "--gtest_filter=$3")
  [ -z "$bundle" ] || tests[0]=$bundle/usr/bin/gpu_tests
  check "$1" "$2" env LD_LIBRARY_PATH="${bundle:+$(echo "$bundle"/usr/lib/*-linux-gnu):}${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/cuda/lib64" \
    compute-sanitizer --tool "$1" --error-exitcode 1 "${@:4}" "${tests[@]}"
}

measure "Rates of this device" 20 "$programs/gpu_bench" --rates
printf '\n## Tests\n\n' >>"$table"
all=-Device.WithoutOneTheReasonIsGiven bulk=CudaBlock.Tf32AndBf16AreAsCloseAsTheyCanBe
check "kernel tests" 60 "$programs/gpu_tests" "--gtest_filter=$all"
if command -v compute-sanitizer >/dev/null; then
  sanitize memcheck 90 "$all"
  # initcheck and racecheck leave out the products of bf16 and tf32. racecheck ends there with an internal error;
  # initcheck does not see the bulk copies by which cuBLAS writes.
  sanitize initcheck 60 "$all:$bulk"
else
  echo "- compute-sanitizer: not on this machine" >>"$table"
fi
measure "Times" 85 "$programs/gpu_bench" --json build/gpu/bench.json
if python3 -c 'import torch' 2>/dev/null; then
  measure "Beside PyTorch" 25 python3 -u bench/gpu_beside_pytorch.py build/gpu/bench.json
else
  printf '\nPyTorch is not on this machine: not compared.\n' >>"$table"
fi
if [ -x "$programs/logitfield" ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
  launcher=$programs/mpirun
  [ -n "$bundle" ] || launcher=$(command -v mpirun || true)
  measure "Whole runs on the GPU and on the CPU" 45 python3 -u bench/gpu_against_cpu.py "$programs/logitfield" build/gpu/runs \
    --make-checkpoint "$programs/make_checkpoint" --seconds 30 ${launcher:+--mpirun "$launcher -n 2 --bind-to none"}
fi
if command -v compute-sanitizer >/dev/null; then
  printf '\n## Races\n\n' >>"$table"
  # Checks this project's kernels only; with those of cuBLAS it takes minutes longer.
  sanitize racecheck 170 "$all:$bulk" --kernel-name kns=logitfield
fi
cat "$table"
exit $status
