#!/usr/bin/env bash
# The tests: Go, builds for other platforms, and what else this machine can
# run. Names at the end what it left out; with CI=true leaving out is failing.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=() left=()

part() { # name, command...
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    printf -- '-- %s: ok, %d s\n' "$name" $((SECONDS - start))
  else
    printf -- '-- %s: FAILED, %d s\n' "$name" $((SECONDS - start))
    failed+=("$name")
  fi
}
leave() { left+=("$1: $2"); }

part "formatting" bash -c 'f=$(git ls-files "*.go" | xargs -r gofmt -l); [ -z "$f" ] || { echo "gofmt would change:"; echo "$f"; exit 1; }'
part "vet" go vet ./...
part "go test" go test ./...
if [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; then
  part "race detector" go test -race -short ./...
else
  leave "race detector" "needs cgo and a C compiler"
fi
part "purego" env CGO_ENABLED=0 go test -short -tags purego ./...
part "other platforms" scripts/cross.sh
part "generated files" scripts/check-generate.sh
part "image steps" scripts/test-docker-steps.sh
if python3 -c 'import venv, ensurepip' 2>/dev/null; then
  part "real runtimes" scripts/test-peers.sh
else
  leave "real runtimes" "needs python3 with venv"
fi

printf '\n'
for l in "${left[@]:-}"; do [ -z "$l" ] || echo "left out: $l"; done
for f in "${failed[@]:-}"; do [ -z "$f" ] || echo "failed: $f"; done
[ ${#failed[@]} -eq 0 ] || exit 1
if [ "${CI:-}" = true ] && [ ${#left[@]} -gt 0 ]; then
  echo "CI must run everything"
  exit 1
fi
echo "all tests passed"
