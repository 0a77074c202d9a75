#!/usr/bin/env bash
# gofmt, go vet, golangci-lint v2 and govulncheck. The versions are pinned;
# govulncheck needs a vulnerability database: GOVULNDB, or the internet.
set -euo pipefail
cd "$(dirname "$0")/.."
f=$(git ls-files '*.go' | xargs gofmt -l)
[ -z "$f" ] || { echo "gofmt would change: $f"; exit 1; }
go vet ./...
go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run
if ! go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ${GOVULNDB:+-db "$GOVULNDB"} ./... >/tmp/govulncheck.$$ 2>&1; then
  if grep -qiE 'dial|lookup|fetch|connection|HTTP|status' /tmp/govulncheck.$$; then
    echo "left out: govulncheck: no vulnerability database (set GOVULNDB)"
  else
    cat /tmp/govulncheck.$$
    rm -f /tmp/govulncheck.$$
    exit 1
  fi
fi
rm -f /tmp/govulncheck.$$
