#!/usr/bin/env bash
# Prints the environment for building with -tags cuda:
#
#   eval "$(scripts/cuda-env.sh)" && go build -tags cuda ./cmd/goqat
#
# Headers are those of an installed toolkit ($CUDA_HOME, $CUDA_PATH,
# /usr/local/cuda, /opt/cuda) or else come as packages into the cache; with
# "packages" (CUDA 12) or "packages13" as argument always so. The library that
# is linked is csrc/driver, which opens the driver when the program runs.
#
# Exit code 77: headers cannot be had here; the last line on stderr says why.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
base=${GOQAT_CACHE:-.cache}
mkdir -p "$base/cuda"
cache=$(cd "$base/cuda" && pwd)

include=
case ${1:-auto} in
  auto)
    for d in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /opt/cuda; do
      if [ -n "$d" ] && [ -f "$d/include/cuda.h" ]; then
        include=$d/include
        break
      fi
    done
    ;;
  packages | packages13) ;;
  *) echo "usage: cuda-env.sh [auto|packages|packages13]" >&2; exit 2 ;;
esac
if [ -z "$include" ]; then
  if [ "${1:-}" = packages13 ]; then
    out=$(scripts/cuda-packages.sh headers13) || { status=$?; echo "$out" >&2; exit $status; }
    include=$cache/headers13/nvidia/cu13/include
  else
    out=$(scripts/cuda-packages.sh headers) || { status=$?; echo "$out" >&2; exit $status; }
    include=$cache/headers/nvidia/cuda_runtime/include
  fi
fi
if ! command -v "${CC:-cc}" >/dev/null; then
  echo "needs a C compiler" >&2
  exit 77
fi
csrc/driver/build.sh "$cache/driver" >&2
# Go's cache knows of headers outside of packages only what the flags say: a
# digest of them, and of the library that is linked, keeps it from taking what
# was built with others.
digest=$(cat csrc/driver/*.[hc] csrc/driver/compat/*.h csrc/driver/{symbols.txt,trampolines.sh} "$include/cuda.h" | cksum | tr -dc 0-9)
# Only where cgo is off: in an environment that says more than it must, builds
# for other processors would ask for a C compiler.
[ "$(go env CGO_ENABLED 2>/dev/null)" = 1 ] || printf 'export CGO_ENABLED=1\n'
printf 'export CGO_CFLAGS="-O2 -DGOQAT_HEADERS=%s -I%s/csrc/driver/compat -I%s/csrc/driver -I%s"\n' "$digest" "$root" "$root" "$include"
printf 'export CGO_LDFLAGS="-L%s -ldl -lpthread"\n' "$cache/driver"
