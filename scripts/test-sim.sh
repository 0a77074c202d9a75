#!/usr/bin/env bash
# Tests what stands for a GPU and its driver: the archive that opens drivers,
# and the simulator, each of its operations and each fault it must notice.
# Arguments choose tests of the simulator by parts of their names.
#
# Exit code 77: it cannot be built here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
sim=$(scripts/build-sim.sh testdata) || { status=$?; echo "$sim"; exit $status; }
env=$(scripts/cuda-env.sh packages) || { status=$?; exit $status; }
eval "$env"
csrc/driver/test/test.sh "$(dirname "$(dirname "$(tail -n 1 <<<"$sim")")")/driver"
sim=$(tail -n 1 <<<"$sim")
out=$(dirname "$sim")
make -s --no-print-directory -j"$(nproc)" -C csrc/sim/test OUT="$out/test" CUDA_FLAGS="$CGO_CFLAGS" CUDA_LIBS="$CGO_LDFLAGS" >&2
GOQAT_CUDA_DRIVER=$sim "$out/test/sim-test" "$@"

# The test kernels say the same to NVIDIA's compiler, whose assembler takes
# each instruction that they hold.
cuda=$(scripts/cuda-packages.sh compiler) || { status=$?; echo "$cuda"; exit $status; }
nvidia=$(tail -n 1 <<<"$cuda")/compiler/nvidia
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp csrc/*.cuh csrc/sim/test/*.cu "$tmp"
python3 scripts/cuda-ptx.py "$nvidia/cuda_nvrtc/lib/libnvrtc.so.12" "$tmp" "$tmp/ptx"
python3 scripts/cuda-resources.py --faulty-wgmma "$nvidia/cuda_nvcc/bin/ptxas" "$(echo "$nvidia"/*/bin/nvdisasm)" "$tmp/ptx" >/dev/null
echo "the assembler takes the test kernels"
