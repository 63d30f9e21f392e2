#!/usr/bin/env bash
# bench/gpu/options.sh ROOT: CMake options with which the sources are built with the headers and libraries of a bundle.
set -euo pipefail
root=$1 libraries=$(echo "$1"/usr/lib/*-linux-gnu)
echo "-DCMAKE_PREFIX_PATH=$root/usr" "-DPKG_CONFIG_EXECUTABLE=$root/bin/pkg-config" "-DMPI_CXX_COMPILER=$root/bin/mpicxx" \
  "-DMPIEXEC_EXECUTABLE=$root/bin/mpirun" "-DCHART_JS=$root/usr/share/javascript/chart.js/chart.min.js" \
  "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags,-rpath,$libraries" "-DLOGITFIELD_WERROR=OFF"
