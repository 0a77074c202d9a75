#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (20s). FUZZ picks some by name.
set -euo pipefail
cd "$(dirname "$0")/.."
git grep -lE --untracked '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r d; do
  git grep -hoE --untracked '^func Fuzz[A-Za-z0-9_]*' -- "$d/*_test.go" | awk '{print $2}' | sort -u | while read -r f; do
    [[ $f =~ ${FUZZ:-.} ]] || continue
    # The pattern of git also takes files of folders below.
    grep -qE "^func $f\(" "$d"/*_test.go || continue
    echo "== $d $f"
    go test -run '^$' -fuzz "^$f\$" -fuzztime "${FUZZTIME:-20s}" "./$d" </dev/null
  done
done
