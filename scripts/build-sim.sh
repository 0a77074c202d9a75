#!/usr/bin/env bash
# Builds the simulator of all kernels into ${GOQAT_CACHE:-.cache}/cuda/sim and
# prints the path of the library, for GOQAT_CUDA_DRIVER. With an argument the
# kernels are those of csrc/sim/test instead.
#
# Exit code 77: it cannot be built here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v "${CXX:-g++}" >/dev/null; then
  echo "needs g++"
  exit 77
fi
cuda=$(scripts/cuda-packages.sh headers) || { status=$?; echo "$cuda"; exit $status; }
cuda=$(tail -n 1 <<<"$cuda")
out=$cuda/sim
kernels=()
if [ "${1:-}" = testdata ]; then
  out=$cuda/sim-test
  kernels=(KERNELS="$(cd csrc/sim && echo test/*.cu)")
fi
mkdir -p "$out"
# One build at a time: tests of several packages may ask for it.
exec 9>"$out/lock"
flock 9
make -s --no-print-directory -j"$(nproc)" -C csrc/sim OUT="$out" CUDA_INCLUDE="$cuda/headers/nvidia/cuda_runtime/include" "${kernels[@]}" >&2
echo "$out/libgoqatsim.so"
