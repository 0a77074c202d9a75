#!/usr/bin/env bash
# Tests the GPU backend without a GPU: on the simulator (csrc/sim), which runs
# the kernels' own source. Arguments go to go test.
#
# Exit code 77: it cannot be done here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
sim=$(scripts/build-sim.sh) || { status=$?; echo "$sim"; exit $status; }
env=$(scripts/cuda-env.sh packages) || { status=$?; exit $status; }
eval "$env"
export GOQAT_CUDA_DRIVER
GOQAT_CUDA_DRIVER=$(tail -n 1 <<<"$sim")
# A test that finds no simulator fails, instead of being skipped.
export GOQAT_TEST_DEVICE=simulator
# The headers of NVIDIA's libraries, without the libraries: where these can be
# had, declarations are compared with them.
vendor_headers() { # 13 or empty, the runtime's folder of headers
  local cuda
  unset GOQAT_VENDOR_INCLUDE GOQAT_NCCL_HEADER
  if cuda=$(scripts/cuda-packages.sh "headers$1" "vendor-headers$1"); then
    cuda=$(tail -n 1 <<<"$cuda")
    local v=$cuda/vendor-headers$1/nvidia
    local crt=$v/cuda_nvcc/include:$v/cu13/include
    export GOQAT_VENDOR_INCLUDE=$v/cublas/include:$v/cudnn/include:$crt:$cuda/headers$1/nvidia/$2/include
    export GOQAT_NCCL_HEADER=$v/nccl/include:$crt
  else
    echo "skipped: comparison with headers of cuBLASLt, cuDNN and NCCL: $(tail -n 1 <<<"$cuda")"
  fi
}
vendor_headers "" cuda_runtime
go vet -tags cuda ./cuda/... ./backend/gpu/... ./cmd/... ./tests/gpubench
# Never from the cache: go does not know of the library, nor of what C reads
# from the environment.
suite() { # flags and packages...
  go test -count=1 -timeout 25m -tags cuda "$@"
}
long='^Test(LostTrainingGoesOn|VendorCodes)'
others() { # flags
  suite "$@" ./backend/gpu -run "$long" || return
  suite "$@" ./cmd/goqat -run GPU || return
  # The code for older and for newer devices, with blocks and warps in another
  # order.
  local cc order
  while read -r cc order; do
    echo "compute capability $cc, blocks $order"
    GOQAT_SIM_CC=$cc GOQAT_SIM_ORDER=$order suite "$@" ./backend/gpu -run Conformance || return
  done <<<"75 shuffled
90 descending"
  # Hopper's own products of codes, where few tests are large enough for them.
  GOQAT_SIM_CC=90 GOQAT_GPU_INT8=wgmma suite "$@" ./backend/gpu -run 'Conformance/(gemm|conv|qlinear|matmul)'
}
# Two at a time, of about the same length: each keeps little more than one processor busy.
check=$(mktemp -d)
trap 'kill "${beside:-}" 2>/dev/null || true; rm -rf "$check"' EXIT
others "$@" >"$check/others" 2>&1 &
beside=$!
suite "$@" -skip "$long" ./cuda/... ./backend/gpu/... ./csrc/... ./internal/cudasim ./tests/gpubench
wait "$beside" || { cat "$check/others"; exit 1; }
beside=
cat "$check/others"
# What goes to a machine with a GPU, as it runs there.
scripts/gpu-check.sh build "$check/run"
GOQAT_GPU_CHECK_TINY=1 GOQAT_GPU_CHECK_PYTHON=none GOQAT_GPU_CHECK_TESTS='Events|Devices|Kernels|Files|Measure|^TestConformance$/fake_quant$' \
  "$check/run/run.sh" "$check/results"
# The headers of CUDA 13 do as well.
env=$(scripts/cuda-env.sh packages13) || { status=$?; exit $status; }
eval "$env"
go vet -tags cuda ./cuda/...
vendor_headers 13 cu13
go test -count=1 -tags cuda ./cuda/cublaslt ./cuda/cudnn ./cuda/nccl -run TestHeader
# Built with them it runs with the oldest driver that knows the kernels.
GOQAT_SIM_DRIVER=12020 go test -count=1 -tags cuda ./cuda -run 'Event'
