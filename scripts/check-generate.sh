#!/usr/bin/env bash
# Tests the generators of assembly, and proves that the generated files in the tree are what they make:
# a copy of the tree without them is generated anew and compared.
#
# Exit code 77: the generators cannot be built here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
mark='^(//|#) Code generated .* DO NOT EDIT'
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if ! go -C internal/asmgen build -o "$tmp/asmgen/" ./... 2>"$tmp/log"; then
  cat "$tmp/log" >&2
  if grep -qiE 'dial tcp|no such host|connection refused|module lookup disabled|proxyconnect|i/o timeout' "$tmp/log"; then
    echo "needs the Go modules of internal/asmgen: a module proxy, or go -C internal/asmgen mod download once"
    exit 77
  fi
  exit 1
fi
go -C internal/asmgen test ./... | grep -v 'no test files'

mkdir "$tmp/tree"
git ls-files -co --exclude-standard | while IFS= read -r f; do [ ! -f "$f" ] || printf '%s\0' "$f"; done |
  tar --null -T - -cf - | tar -xf - -C "$tmp/tree"
generated() { (cd "$1" && { grep -rlIE "$mark" --exclude-dir=.git --exclude-dir=.cache . || true; } | sort); }
(cd "$tmp/tree" && generated . >"$tmp/old" && xargs -r rm -f <"$tmp/old")
(cd "$tmp/tree" && go generate ./...)
generated "$tmp/tree" >"$tmp/new"

bad=0
while IFS= read -r f; do
  if [ ! -f "$tmp/tree/$f" ]; then
    echo "no generator makes $f"
    bad=1
  elif [ ! -f "$f" ]; then
    echo "generated but not in the tree: $f (run make generate)"
    bad=1
  elif ! cmp -s "$f" "$tmp/tree/$f"; then
    echo "generated file differs: $f (run make generate)"
    bad=1
  fi
done < <(sort -u "$tmp/old" "$tmp/new")
[ $bad -ne 0 ] || echo "$(wc -l <"$tmp/old") generated files are what their generators make"
exit $bad
