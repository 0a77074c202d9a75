#!/usr/bin/env bash
# Regenerates the generated files into a copy of the tree and compares.
set -euo pipefail
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
git ls-files -co --exclude-standard -z | xargs -0 tar cf - --ignore-failed-read 2>/dev/null | tar xf - -C "$tmp"
(cd "$tmp" && go generate ./...)
bad=0
while IFS= read -r f; do
  if ! cmp -s "$f" "$tmp/$f"; then
    echo "generated file differs: $f (run make generate)"
    bad=1
  fi
done < <(git grep -lI --untracked -E '^(//|#) Code generated .* DO NOT EDIT' -- . || true)
exit $bad
