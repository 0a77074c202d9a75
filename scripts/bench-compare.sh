#!/usr/bin/env bash
# Benchmarks of this tree against a revision, by benchstat:
# bench-compare.sh REF [PACKAGES]
#
# BENCH picks benchmarks (.), COUNT is the number of rounds (6), BENCHTIME the
# time of each (1s), CPU the numbers of threads (all). Both trees are built
# once; their benchmarks run in turns, package by package, so that what
# changes on the machine hits both.
set -euo pipefail
cd "$(dirname "$0")/.."
ref=${1:?usage: bench-compare.sh REF [PACKAGES]}
shift
[ $# -gt 0 ] || set -- ./...
commit=$(git rev-parse --verify --quiet "$ref^{commit}") || { echo "no revision $ref" >&2; exit 2; }
tmp=$(mktemp -d)
child=""
clean() {
  [ -z "$child" ] || kill "$child" 2>/dev/null || true
  git worktree remove --force "$tmp/old" 2>/dev/null || true
  rm -rf "$tmp"
  git worktree prune
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# run waits in a way that a signal ends at once.
run() {
  "$@" &
  child=$!
  local status=0
  wait "$child" || status=$?
  child=""
  return $status
}

git worktree add -q --detach "$tmp/old" "$commit"
# Folders of the packages that have benchmarks, by their names in files.
go list -f '{{.Dir}}{{range .TestGoFiles}} {{.}}{{end}}{{range .XTestGoFiles}} {{.}}{{end}}' "$@" | while read -r dir files; do
  for f in $files; do
    if grep -q '^func Benchmark' "$dir/$f"; then
      realpath --relative-to=. "$dir"
      break
    fi
  done
done >"$tmp/packages"
[ -s "$tmp/packages" ] || { echo "no benchmarks in $*" >&2; exit 1; }

build() { # tree, folder, program
  (cd "$1" && go test -c -o "$3" "./$2") 2>"$tmp/log"
}
n=0
while IFS= read -r dir; do
  n=$((n + 1))
  build . "$dir" "$tmp/new-$n" || { cat "$tmp/log" >&2; exit 1; }
  if [ ! -d "$tmp/old/$dir" ] || ! build "$tmp/old" "$dir" "$tmp/old-$n" || [ ! -f "$tmp/old-$n" ]; then
    echo "$dir: new, or does not build in $ref" >&2
  fi
done <"$tmp/packages"

measure() { # program, folder, results; ends the shell that it runs in
  [ -f "$1" ] || exit 0
  cd "$2"
  exec "$1" -test.run '^$' -test.bench "${BENCH:-.}" -test.benchmem -test.benchtime "${BENCHTIME:-1s}" ${CPU:+-test.cpu "$CPU"} >>"$3"
}
for _ in $(seq "${COUNT:-6}"); do
  n=0
  while IFS= read -r dir <&3; do
    n=$((n + 1))
    run measure "$tmp/old-$n" "$tmp/old/$dir" "$tmp/old.txt"
    run measure "$tmp/new-$n" "$dir" "$tmp/new.txt"
  done 3<"$tmp/packages"
done
grep -qs '^Benchmark' "$tmp/new.txt" || { echo "no benchmark matches ${BENCH:-.}" >&2; exit 1; }
touch "$tmp/old.txt"
${BENCHSTAT:-go tool benchstat} "$ref=$tmp/old.txt" "this tree=$tmp/new.txt"
