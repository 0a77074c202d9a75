#!/usr/bin/env bash
# Benchmarks of this tree against a revision: bench-compare.sh REF [PACKAGES]
# BENCH picks benchmarks (.), COUNT is the number of rounds (6).
set -euo pipefail
cd "$(dirname "$0")/.."
ref=${1:?usage: bench-compare.sh REF [PACKAGES]}
shift
[ $# -gt 0 ] || set -- ./...
tmp=$(mktemp -d)
trap 'git worktree remove --force "$tmp/old" 2>/dev/null || true; rm -rf "$tmp"' EXIT
git worktree add -q --detach "$tmp/old" "$ref"
for _ in $(seq "${COUNT:-6}"); do # In turn, so that drift hits both.
  (cd "$tmp/old" && go test -run '^$' -bench "${BENCH:-.}" -benchmem "$@") >>"$tmp/old.txt"
  go test -run '^$' -bench "${BENCH:-.}" -benchmem "$@" >>"$tmp/new.txt"
done
go tool benchstat "$tmp/old.txt" "$tmp/new.txt"
