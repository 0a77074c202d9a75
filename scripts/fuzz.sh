#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME.
set -euo pipefail
cd "$(dirname "$0")/.."
git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r d; do
  git grep -hoE '^func Fuzz[A-Za-z0-9_]*' -- "$d/*_test.go" | awk '{print $2}' | while read -r f; do
    echo "== $d $f"
    go test -run '^$' -fuzz "^$f\$" -fuzztime "${FUZZTIME:-20s}" "./$d" </dev/null
  done
done
