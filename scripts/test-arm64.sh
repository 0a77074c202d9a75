#!/usr/bin/env bash
# The arm64 assembly under qemu-user, on machines with NEON alone, with SDOT
# and with I8MM: each kernel against its portable twin, the operations against
# their definitions, and converted models bit for bit. TestWords compares the
# instructions written as words with an assembler.
#
# Exit code 77: the emulator or the assembler is missing; the last line says
# which. With CI=true, root and apt-get they are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

emulator() { command -v qemu-aarch64 || command -v qemu-aarch64-static; }
assembler() { command -v aarch64-linux-gnu-as; }

if ! { emulator && assembler; } >/dev/null && [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-user binutils-aarch64-linux-gnu; } >/dev/null 2>&1 ||
    echo "apt-get could not install qemu-user and binutils-aarch64-linux-gnu"
fi
if ! qemu=$(emulator); then
  echo "needs qemu-aarch64 (Debian: qemu-user)"
  exit 77
fi
if ! assembler >/dev/null; then
  echo "needs aarch64-linux-gnu-as (Debian: binutils-aarch64-linux-gnu)"
  exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

go test -count=1 -run '^TestWords' ./backend/cpu

export GOOS=linux GOARCH=arm64 CGO_ENABLED=0
build() { go test -c -o "$tmp/${1//\//_}.test" "./$1"; }
# run notes what is to be run; execute runs it, as many at a time as there are
# processors, as each keeps little more than one busy.
run() { # machine, package, flags...
  local job
  printf -v job '%q ' "$@"
  echo "$job" >>"$tmp/jobs"
}
execute() { # number, machine, package, flags...
  local log=$tmp/log$1 machine=$2 package=$3
  shift 3
  # A test must not wait for the emulator for ever.
  if ! (cd "$package" && timeout 500 "$qemu" -cpu "$machine" "$tmp/${package//\//_}.test" -test.short "$@" >"$log" 2>&1); then
    echo "$machine: $package $*: FAILED"
    tail -n 50 "$log"
    return 1
  fi
  echo "$machine: $package $*"
}
export tmp qemu
export -f execute

# Package isa has an instruction, but no kernels.
kernels=$(git ls-files -co --exclude-standard -- 'backend/*_arm64.s' | xargs -n 1 dirname | sort -u | grep -v '/isa$')
for p in $kernels backend/cpu/internal/isa backend/cpu qat tests; do build "$p"; done
go build -o "$tmp/goqat" ./cmd/goqat

# The kernels of a machine, and that it is the one that they are for. A
# product of floats is the same on all of them.
for m in cortex-a53:neon cortex-a76:sdot max:i8mm; do
  machine=${m%:*} set=${m#*:}
  "$qemu" -cpu "$machine" "$tmp/goqat" doctor >"$tmp/log"
  grep -q "int8 product *$set\$" "$tmp/log" || { cat "$tmp/log"; echo "$machine does not use $set"; exit 1; }
  for p in $kernels; do run "$machine" "$p" -test.run "^Test[^/]*/$set"; done
  # It starts itself, which needs an emulator in the kernel.
  run "$machine" backend/cpu/internal/isa -test.skip '^TestEnvironment$'
done
for p in $kernels; do run max "$p" -test.skip '^TestFloat|^TestBF16|^TestIntLines' -test.run '^Test[^/]*/neon'; done
run cortex-a53 backend/cpu -test.run '^TestConformance$/(integer|quant|qlinear|dequant)'
run max backend/cpu -test.run '^(TestConformance|TestKernelISAs)$/(conv$|gemm|matmul|integer|quant|qlinear|max_pool|affine|norm|sgd|adam|clip|softmax|exp$|add$|relu$)'
run max backend/cpu -test.run '^TestSumOrder$'
run max qat -test.run '^TestPreparedIsConverted$'
run max tests -test.run '^TestZooOnIntegers$/(cnn|ds-cnn|mobilenetv1|resnet8|mlp)'
# The longest come last in the list.
awk '{print NR, $0}' "$tmp/jobs" | tac | xargs -d '\n' -P "$(nproc)" -I '{}' bash -c 'execute {}'
