#!/usr/bin/env bash
# Measures goqat and its peers, PyTorch, ONNX Runtime and OpenVINO, in turns,
# and writes the table of docs/benchmarks.md: bench-peers.sh [FLAGS]
#
# GOQAT_BENCH_PEERS names a python that has the peers; without it
# scripts/peers-env.sh makes one, of 6 GB. ROUNDS (7) is the number of rounds.
# NAME names the machine in the document. FASTEST=true takes the fastest run of
# each round instead of the median, for a machine that others use. With ONLY, a regular expression on
# comparisons, the table is printed and the document stays as it is.
# Everything measured is kept as JSON in ${GOQAT_CACHE:-.cache}/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${GOQAT_BENCH_PEERS:-}" ]; then
  status=0
  out=$(scripts/peers-env.sh bench) || status=$?
  GOQAT_BENCH_PEERS=$(tail -n 1 <<<"$out")
  if [ $status -ne 0 ]; then
    echo "$GOQAT_BENCH_PEERS" >&2
    exit $status
  fi
fi
cache=${GOQAT_CACHE:-.cache}/bench
mkdir -p "$cache"
go build -o "$cache/benchpeers" ./tests/benchpeers
# Not by exec nor by go run: an interrupt reaches the command, which ends its
# peers.
"$cache/benchpeers" -python "$GOQAT_BENCH_PEERS" -models "$cache/models" -doc docs/benchmarks.md \
  -raw "$cache/$(date +%Y-%m-%dT%H%M%S).json" -rounds "${ROUNDS:-7}" -name "${NAME:-}" -only "${ONLY:-}" -fastest="${FASTEST:-false}" "$@"
