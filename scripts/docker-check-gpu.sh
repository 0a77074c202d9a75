#!/bin/sh
# A step of docker/Dockerfile.gpu: the command of a folder depends on the C
# library alone, starts without a driver, and then does its job on the CPU.
set -eu
goqat=${1:?usage: docker-check-gpu.sh FOLDER}/goqat
go version -m "$goqat" | grep -q 'tags=cuda'
other=$(ldd "$goqat" | grep -vE 'linux-vdso|ld-linux|libc\.so|libpthread|libdl|libresolv' || true)
if [ -n "$other" ]; then
  echo "$goqat needs more than the C library: $other" >&2
  exit 1
fi
export GOQAT_CUDA_DRIVER=/no/such/libcuda.so.1
"$goqat" doctor
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if "$goqat" demo --quick --backend gpu --out "$out/gpu" 2>"$out/log"; then
  echo "$goqat takes a GPU that is not there" >&2
  exit 1
fi
grep -q 'no CUDA driver' "$out/log"
"$goqat" demo --quick --out "$out"
test -s "$out/report.html"
