#!/usr/bin/env bash
# Tests the README's promise on a bare Debian 12: debootstrap's minimal system, a user who may install packages, and a
# clone of this repository. Runs there the VERBs of ./dev that are given (demo, test). As root; needs debootstrap and
# some 6 GB. DIR is made, or used again: the packages that ./dev installed into it are then there already.
#   tests/development/bare_debian.sh DIR [VERB ...]
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo 'run this as root: debootstrap and chroot need it' >&2; exit 2; }
root=$(realpath -m "$1"); shift
[ $# -gt 0 ] || set -- demo test
source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)

if [ ! -e "$root/etc/debian_version" ]; then
  debootstrap --variant=minbase --include=sudo bookworm "$root"
  chroot "$root" useradd --create-home --shell /bin/bash researcher
  echo 'researcher ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/researcher"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
for name in proc sys dev dev/pts dev/shm; do
  mountpoint -q "$root/$name" || { mkdir -p "$root/$name"; mount --bind "/$name" "$root/$name"; }
done
trap 'for name in dev/shm dev/pts dev sys proc; do umount "$root/$name" || true; done' EXIT

rm -rf "$root/home/researcher/logitfield"
git clone --quiet --no-hardlinks "$source" "$root/home/researcher/logitfield"
chroot "$root" chown -R researcher: /home/researcher/logitfield
for verb in "$@"; do
  echo "== ./dev $verb"
  chroot "$root" su - researcher -c "cd logitfield && time ./dev $verb"
done
