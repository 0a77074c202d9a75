#!/usr/bin/env bash
# Builds all packages for the platforms goqat supports, and checks there the
# packages that hold assembly or depend on the size of an int.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
libraries=$(go list -f '{{if and .GoFiles (ne .Name "main")}}{{.ImportPath}}{{end}}' ./...)
build() {
  # shellcheck disable=SC2086 # One word a package.
  go build "$@" $libraries
  go build -o /dev/null "$@" ./cmd/goqat
}
for p in linux/amd64 linux/arm64 darwin/arm64 windows/amd64 js/wasm; do
  echo "$p"
  export GOOS=${p%/*} GOARCH=${p#*/}
  build
  go vet ./tensor ./quant ./internal/durable ./backend/cpu/...
done
unset GOOS GOARCH
echo "linux/386 (vet)"
GOOS=linux GOARCH=386 go vet ./tensor ./quant ./npy ./safetensors ./onnx/... ./backend/cpu/...
echo "purego"
build -tags purego
