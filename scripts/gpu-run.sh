#!/usr/bin/env bash
# The second part of gpu-check.sh, which lies as run.sh in what travels: tests,
# compute-sanitizer, benchmarks, PyTorch, each with a time of its own, 8.5 minutes
# together. What is not there is named in the result. run.sh [RESULTS]
#
# GOQAT_GPU_CHECK_TINY=1: sizes of a simulated GPU, to test the check itself.
# GOQAT_GPU_CHECK_TESTS: a regular expression on tests, instead of all.
# GOQAT_GPU_CHECK_PYTHON: the python to ask for torch (python3).
#
# Exit code 1: a part failed, or there is no GPU.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
base=${1:-$here/results}
dir=$base/gpu-$(date -u +%Y-%m-%dT%H%M%S)
mkdir -p "$dir" || exit 1
dir=$(cd "$dir" && pwd)
tiny=${GOQAT_GPU_CHECK_TINY:-}
tests=${GOQAT_GPU_CHECK_TESTS:-.}
python=${GOQAT_GPU_CHECK_PYTHON:-python3}
failed=0
for f in goqat gpubench tests/{cuda,backend/gpu,csrc/ptx}/run.test; do
  gzip -dkf "$here/$f.gz" || exit 1
done
: >"$dir/parts.tsv"

note() { # NAME OUTCOME SECONDS REMARK
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$(printf %s "$4" | tr '\t\n' '  ' | cut -c1-300)" >>"$dir/parts.tsv"
  echo "$1: $2 ($3 s) $4"
  [ "$2" != failed ] || failed=1
}

part() { # NAME LIMIT COMMAND...: its output is NAME.log
  local name=$1 limit=$2 start=$SECONDS status=0 log
  shift 2
  log=$dir/$(tr ' /' '__' <<<"$name").log
  timeout -k 5 "$limit" "$@" >"$log" 2>&1 || status=$?
  case $status in
    0)
      case $name in
        tests*)
          # A test that finds no device skips itself.
          local passed skipped
          passed=$(grep -c '^--- PASS' "$log")
          skipped=$(grep -c -- '--- SKIP' "$log")
          if [ "$passed" = 0 ]; then
            note "$name" failed $((SECONDS - start)) "no test ran, $skipped skipped: $(tail -n 3 "$log")"
          else
            note "$name" ok $((SECONDS - start)) "$passed passed, $skipped skipped"
          fi
          ;;
        *) note "$name" ok $((SECONDS - start)) "" ;;
      esac
      ;;
    77) note "$name" missing $((SECONDS - start)) "$(tail -n 1 "$log")" ;;
    124 | 137) note "$name" failed $((SECONDS - start)) "not done in $limit s" ;;
    *) note "$name" failed $((SECONDS - start)) "exit code $status: $(grep -E -m 1 -- '--- FAIL|panic:|Error|error' "$log" || tail -n 1 "$log")" ;;
  esac
}

in_package() { (cd "$here/tests/$1" && shift && exec "$@"); }
export -f in_package
export here
# Tests that find no device fail, instead of being skipped.
export GOQAT_TEST_DEVICE=${GOQAT_TEST_DEVICE:-any}

# Clocks are read, never set.
clocks() {
  exec nvidia-smi --query-gpu=timestamp,name,clocks.sm,clocks.mem,temperature.gpu,power.draw,clocks_throttle_reasons.active --format=csv -lms 500
}

{
  printf 'date\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  printf 'commit\t%s\n' "$(cat "$here/commit")"
  printf 'gpu\t%s\n' "$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)"
  printf 'driver\t%s\n' "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)"
} >"$dir/about.tsv"

part doctor 20 "$here/goqat" doctor
logger=
if command -v nvidia-smi >/dev/null; then
  clocks >"$dir/clocks.csv" 2>&1 &
  logger=$!
  note "clocks" ok 0 "clocks.csv"
else
  note "clocks" missing 0 "no nvidia-smi"
fi

# 1. Conformance: 125 s.
for p in "cuda 20" "csrc/ptx 10" "backend/gpu 95"; do
  set -- $p
  part "tests $1" "$2" bash -c 'in_package "$@"' _ "$1" ./run.test -test.v -test.short -test.run "$tests"
done

# 2. compute-sanitizer, on operations that use shared memory, atomics and
# tensor cores: 100 s.
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
subset='Conformance/.*(fake_quant|lsq_grad|observe_min_max|reduce|softmax|matmul_integer|gemm_dequant|quantize_weight)'
for tool in memcheck racecheck initcheck synccheck; do
  if [ -z "$sanitizer" ]; then
    note "sanitizer $tool" missing 0 "no compute-sanitizer"
  else
    part "sanitizer $tool" 25 bash -c 'in_package "$@"' _ backend/gpu "$sanitizer" --tool "$tool" --error-exitcode 9 ./run.test -test.short -test.run "$subset"
  fi
done

# 3. Benchmarks: 160 s.
if [ "$tiny" = 1 ]; then
  part benchmarks 20 "$here/gpubench" measure -tiny -out "$dir/goqat.json"
else
  part benchmarks 160 "$here/gpubench" measure -limit 120s -out "$dir/goqat.json"
fi

# 4. PyTorch: 100 s; it writes after each figure.
if ! command -v "$python" >/dev/null; then
  note "pytorch" missing 0 "no $python"
else
  part pytorch 100 "$python" "$here/torch_rivals.py" "$dir/torch.json"
fi

if [ -n "$logger" ]; then
  kill "$logger" 2>/dev/null
  wait "$logger" 2>/dev/null
fi
"$here/gpubench" report -dir "$dir" || failed=1
echo "$dir/result.md"
exit $failed
