#!/bin/sh
# A step of docker/Dockerfile.gpu: the command with the GPU backend, into a
# folder.
set -eu
out=${1:?usage: docker-build-gpu.sh FOLDER}
mkdir -p "$out"
env=$(scripts/cuda-env.sh packages)
eval "$env"
go build -tags cuda -trimpath -ldflags='-s -w' -o "$out/goqat" ./cmd/goqat
