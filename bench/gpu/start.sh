#!/bin/sh
# In a bundle of bench/gpu/bundle.sh: starts the program of usr/bin that has this link's name, with the bundle's
# libraries, Open MPI and packages.
root=$(cd "$(dirname "$0")/.." && pwd)
libraries=$(echo "$root"/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH="$libraries:${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/cuda/lib64"
export OPAL_PREFIX="$root/usr"
export PKG_CONFIG_SYSROOT_DIR="$root" PKG_CONFIG_LIBDIR="$libraries/pkgconfig:$root/usr/share/pkgconfig"
# No ssh, which only more than one machine needs.
export PMIX_MCA_pcompress_base_silence_warning=1 OMPI_MCA_plm=isolated OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none
exec "$root/usr/bin/$(basename "$0")" "$@"
