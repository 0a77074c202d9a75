#!/bin/sh
# A step of docker/Dockerfile.cpu: the command, static, into a folder.
set -eu
out=${1:?usage: docker-build.sh FOLDER}
mkdir -p "$out"
CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$out/goqat" ./cmd/goqat
