#!/bin/sh
# A step of docker/Dockerfile.cpu: the command of a folder depends on nothing
# and does its job.
set -eu
goqat=${1:?usage: docker-check.sh FOLDER}/goqat
if go version -m "$goqat" | grep -q 'CGO_ENABLED=1'; then
  echo "$goqat uses cgo: it would not start in the image" >&2
  exit 1
fi
"$goqat" doctor
"$goqat" targets >/dev/null
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$goqat" demo --quick --out "$out"
test -s "$out/report.html"
