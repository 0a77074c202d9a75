#!/usr/bin/env bash
# Runs exported models in the runtimes they are for: ONNX Runtime, LiteRT and
# TFLite Micro. GOQAT_PEERS names a python that has them; without it
# scripts/peers-env.sh makes one.
#
# Exit code 77: there is none; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${GOQAT_PEERS:-}" ]; then
  status=0
  out=$(scripts/peers-env.sh) || status=$?
  GOQAT_PEERS=$(tail -n 1 <<<"$out")
  if [ $status -ne 0 ]; then
    echo "$GOQAT_PEERS"
    exit $status
  fi
fi
export GOQAT_PEERS
export GOQAT_LITERT_PYTHON=$GOQAT_PEERS GOQAT_ORT_PYTHON=$GOQAT_PEERS
go test -count=1 ./tests/peers/ ./npu/...
