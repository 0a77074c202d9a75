#!/usr/bin/env bash
# Benchmarks of this tree against a revision: bench-compare.sh REF [PACKAGES]
set -euo pipefail
cd "$(dirname "$0")/.."
ref=$1 pkgs=${2:-./...} count=${COUNT:-6}
tmp=$(mktemp -d)
trap 'git worktree remove --force "$tmp/old" 2>/dev/null || true; rm -rf "$tmp"' EXIT
git worktree add -q --detach "$tmp/old" "$ref"
for _ in $(seq "$count"); do # In turn, so that drift hits both.
  (cd "$tmp/old" && go test -run '^$' -bench "${BENCH:-.}" -benchmem "$pkgs") >>"$tmp/old.txt"
  go test -run '^$' -bench "${BENCH:-.}" -benchmem "$pkgs" >>"$tmp/new.txt"
done
go tool benchstat "$tmp/old.txt" "$tmp/new.txt"
