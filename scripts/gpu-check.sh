#!/usr/bin/env bash
# Checks the GPU backend on a machine with a GPU and without Go or internet.
#
#   scripts/gpu-check.sh build OUT   makes OUT, which travels (under 60 MiB)
#   OUT/run.sh [RESULTS]             runs there, in less than 9 minutes, and
#                                    writes RESULTS/gpu-DATE (default OUT/results)
#
# The kernels are in the binaries, as PTX. GOQAT_GPU_CHECK_ARCH is the GOARCH to build for (amd64, the only one that is
# tried). With CUBINS=1 the machine code of the kernels comes along, for
# cuobjdump and ncu. scripts/gpu-run.sh says what the second part reads.
#
# Exit code 77: it cannot be built here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" != build ] || [ -z "${2:-}" ]; then
  echo "usage: gpu-check.sh build OUT" >&2
  exit 2
fi
mkdir -p "$2"
out=$(cd "$2" && pwd)
env=$(scripts/cuda-env.sh) || exit $?
eval "$env"
export GOOS=linux GOARCH=${GOQAT_GPU_CHECK_ARCH:-amd64}
flags=(-tags "cuda osusergo netgo" -trimpath "-ldflags=-s -w")
go build "${flags[@]}" -o "$out/goqat" ./cmd/goqat
go build "${flags[@]}" -o "$out/gpubench" ./tests/gpubench
# Test binaries run in folders like those of their packages.
for p in cuda backend/gpu csrc/ptx; do
  mkdir -p "$out/tests/$p"
  go test -c "${flags[@]}" -o "$out/tests/$p/run.test" "./$p"
done
mkdir -p "$out/tests/csrc/ptx"
cp csrc/*.cu csrc/*.cuh "$out/tests/csrc/"
cp csrc/ptx/*.ptx.gz "$out/tests/csrc/ptx/"
if [ "${CUBINS:-}" = 1 ]; then
  scripts/cuda-build.sh cubins >&2
  rm -rf "$out/cubins"
  cp -r dist/cubins "$out/cubins"
fi
cp scripts/gpu-run.sh "$out/run.sh"
cp tests/gpubench/torch_rivals.py "$out/"
git describe --always --dirty >"$out/commit" 2>/dev/null || echo unknown >"$out/commit"
# run.sh unpacks them.
gzip -nf "$out/goqat" "$out/gpubench" "$out"/tests/{cuda,backend/gpu,csrc/ptx}/run.test
size=$(du -sm --exclude=results "$out" | cut -f1)
if [ "$size" -ge 60 ]; then
  echo "$out has $size MiB; 60 are too many to travel" >&2
  exit 1
fi
echo "$out: $size MiB"
