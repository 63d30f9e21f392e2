#!/usr/bin/env bash
# bench/gpu/bundle.sh DIR: builds the programs that bench/gpu.sh runs and gathers all that they need on a machine with
# CUDA but without this machine's packages, into DIR/logitfield-gpu.tar.xz, with bench/gpu.sh beside it:
#   usr/      programs, shared libraries, Open MPI's plugins; headers and link libraries to build with
#   bin/      starts a program of usr/bin with these libraries
#   sources/  the sources, the demo model and the test models
# Runs on Debian and its kin with the packages of `./dev setup` and the CUDA toolkit. CUDAARCHS: chips [90].
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/local/cuda/bin" CUDAARCHS="${CUDAARCHS:-90}"
[ $# -eq 1 ] || { sed -n '2,8s/^# //p' "$0" >&2; exit 2; }
out=$1 root=build/gpu/bundle arch=$(gcc -print-multiarch)
libraries=usr/lib/$arch

copy() {  # FILE...: to the same place under $root; links are followed
  local file
  for file in "$@"; do
    file=$(realpath -s "$file")
    [[ $file == /usr/* ]] || file=/usr$file  # /lib is /usr/lib
    install -D -m "$(stat -Lc %a "$file")" "$file" "$root$file"
  done
}

# Plugins of Open MPI for one machine, without those for networks, batch systems, files and remote memory.
plugins() {
  find "/$libraries/openmpi/lib/openmpi3" -name "mca_*.so" |
    grep -Ev '_(ofi|openib|ucx|psm2?|slurm|jsm|flux|gridengine|monitoring)\.so|mca_(io|osc|fs|fbtl|fcoll|sharedfp|memheap|scoll|spml|sshmem|atomic)_'
}

programs() {
  mkdir -p $root/usr/bin $root/bin
  install -s build/gpu/programs/{gpu_tests,gpu_bench,logitfield,make_checkpoint} $root/usr/bin
  local name
  for name in mpirun orted mpicxx pkg-config; do install "$(realpath "$(command -v $name)")" $root/usr/bin/$name; done
  copy $(plugins) /usr/share/openmpi/*.txt
  install bench/gpu/start.sh $root/bin/start
  for name in $root/usr/bin/*; do ln -s start "$root/bin/${name##*/}"; done
}

# Libraries that the programs and plugins link with, except glibc, the compiler's own libraries, and CUDA.
shared_libraries() {
  find $root/usr -type f \( -name '*.so' -o -path '*/bin/*' \) -print0 | xargs -0 -n 1 ldd |
    awk '$3 ~ /^\// {print $3}' | sort -u |
    grep -Ev '/(lib(c|m|dl|rt|pthread|resolv|util|stdc\+\+|gcc_s)\.so|libcu(da|dart|blas|blasLt)\.so|libnv)' | grep -v '/cuda'
}

# ICU's data without those of languages and encodings, which are most of 31 MB: the program asks for properties and
# normal forms of characters only.
small_icu_data() {
  local library version work
  library=$(echo $root/$libraries/libicudata.so.*) work=build/gpu/icu
  version=${library##*.}
  mkdir -p $work/small
  objcopy -O binary --only-section=.rodata "$library" $work/icudt${version}l.dat
  icupkg -l $work/icudt${version}l.dat | grep -vE '^[^/]*\.(icu|nrm)$' >$work/icudata.txt
  icupkg -r $work/icudata.txt $work/icudt${version}l.dat $work/small/icudt${version}l.dat
  printf '.section .rodata\n.balign 16\n.globl icudt%s_dat\nicudt%s_dat: .incbin "%s"\n' \
    "$version" "$version" $work/small/icudt${version}l.dat >$work/icudata.s
  gcc -shared -nostdlib -Wl,-z,noexecstack,-soname,"${library##*/}" -o "$library" $work/icudata.s
}

headers() {
  local package
  for package in libeigen3-dev libfmt-dev libgtest-dev nlohmann-json3-dev libcli11-dev libxxhash-dev libpcre2-dev zlib1g-dev libzstd-dev \
    libicu-dev libnetcdf-dev libnetcdf-c++4-dev libopenblas-pthread-dev liblapacke-dev libdnnl-dev libopenmpi-dev \
    libjs-chart.js; do
    dpkg -L $package | grep -E '^/usr/(include|share/(eigen3|javascript|cmake|pkgconfig))/|/(cmake|pkgconfig)/|/openmpi/include/|lib(gtest|gtest_main)\.a$' |
      while read -r file; do if [ -f "$file" ] && [ ! -L "$file" ]; then echo "$file"; fi; done
  done
}

link_libraries() {  # The linker looks for libNAME.so.
  local name file soname
  for name in dnnl openblas blas lapack lapacke fmt netcdf netcdf_c++4 icuuc icudata pcre2-8 xxhash z zstd scalapack-openmpi mpi mpi_cxx; do
    file=/$libraries/lib$name.so
    [ -e "$file" ] || file=/$libraries/openmpi/lib/lib$name.so
    soname=$(objdump -p "$file" | awk '$1 == "SONAME" {print $2}')
    [ -e "$root/$libraries/$soname" ] || copy "/$libraries/$soname"
    ln -sf "$soname" "$root/$libraries/lib$name.so"
    ln -s "$soname" "$root/$libraries/$(basename "$(realpath "$file")")" 2>/dev/null || true  # as CMake packages name it
  done
  mkdir -p $root/$libraries/openmpi/lib $root/usr/include/hdf5/serial  # the second is named by netcdf.pc
  ln -sf ../../libmpi.so $root/$libraries/openmpi/lib/libmpi.so
}

sources() {
  mkdir -p $root/sources
  { git ls-files ':!docs' ':!demo' ':!bench/results' ':!tests/fixtures/run-folders' ':!tests/tokenizers'
    git ls-files demo/checkpoints/step_006000 demo/tokens; } | tar cf - -T - | tar xf - -C $root/sources
  git describe --always --dirty >$root/sources/commit
}

bench/gpu/build.sh
rm -rf $root
programs
copy $(shared_libraries)
small_icu_data
copy $(headers | sort -u)
link_libraries
sources
mkdir -p "$out"
XZ_OPT='-T0 --x86 --lzma2=preset=6,dict=16MiB' tar cJf "$out/logitfield-gpu.tar.xz" -C $root .
cp bench/gpu.sh "$out"
du -h "$out/logitfield-gpu.tar.xz"
