#!/usr/bin/env bash
# Builds all packages for the platforms goqat supports, and checks there the
# packages that hold assembly or talk to the system.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

libraries() { # build flags...
  go build "$@" $(go list "$@" -f '{{if and .GoFiles (ne .Name "main")}}{{.ImportPath}}{{end}}' ./...)
}

for p in linux/amd64 linux/arm64 darwin/arm64 windows/amd64 js/wasm; do
  echo "$p"
  export GOOS=${p%/*} GOARCH=${p#*/}
  libraries
  go build -o /dev/null ./cmd/goqat
  go vet ./tensor ./quant ./internal/durable ./backend/cpu/...
done
echo "linux/386, where an int has 32 bits"
GOOS=linux GOARCH=386 libraries
unset GOOS GOARCH
echo "purego"
libraries -tags purego
go build -tags purego -o /dev/null ./cmd/goqat
