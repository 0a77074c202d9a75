#!/usr/bin/env bash
# Builds the command and all packages for the platforms goqat supports.
set -euo pipefail
cd "$(dirname "$0")/.."
for p in linux/amd64 linux/arm64 darwin/arm64 windows/amd64 js/wasm; do
  printf '%s ' "$p"
  CGO_ENABLED=0 GOOS=${p%/*} GOARCH=${p#*/} go build ./...
  CGO_ENABLED=0 GOOS=${p%/*} GOARCH=${p#*/} go vet ./tensor ./quant ./backend/cpu/...
done
CGO_ENABLED=0 go build -tags purego ./...
echo purego
