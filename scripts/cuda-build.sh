#!/usr/bin/env bash
# make cuda: compiles csrc/*.cu to PTX (csrc/ptx, checked in), and shows what
# ptxas says of each kernel on each target: registers, shared memory, spills,
# and the blocks and warps that a multiprocessor then holds. A spill fails.
#
#   cuda-build.sh [check|cubins]
#
# check compares with what is checked in instead of writing it. cubins also
# keeps machine code for sm_75, 80, 86, 89 and 90a in dist/cubins.
#
# Exit code 77: there is no compiler here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-ptx}
cuda=$(scripts/cuda-packages.sh compiler) || { status=$?; echo "$cuda"; exit $status; }
cuda=$(tail -n 1 <<<"$cuda")
nvrtc=$cuda/compiler/nvidia/cuda_nvrtc/lib/libnvrtc.so.12
ptxas=$cuda/compiler/nvidia/cuda_nvcc/bin/ptxas
out=csrc/ptx
if [ "$mode" = check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
python3 scripts/cuda-ptx.py "$nvrtc" csrc "$out"
if [ "$mode" = check ]; then
  bad=0
  for f in $(cd "$out" && echo *.ptx.gz) $(cd csrc/ptx && echo *.ptx.gz); do
    if [ ! -f "csrc/ptx/$f" ] || [ ! -f "$out/$f" ] || ! cmp -s <(gzip -dc "csrc/ptx/$f") <(gzip -dc "$out/$f"); then
      echo "csrc/ptx/$f is not what the compiler makes of its source (make cuda)"
      bad=1
    fi
  done
  [ $bad -eq 0 ] || exit 1
fi
cubins=
if [ "$mode" = cubins ]; then
  cubins=dist/cubins
  mkdir -p "$cubins"
fi
nvdisasm=$(echo "$cuda"/compiler/nvidia/*/bin/nvdisasm)
python3 scripts/cuda-resources.py "$ptxas" "$nvdisasm" "$out" $cubins
