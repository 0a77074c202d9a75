#!/bin/sh
# A step of docker/Dockerfile.gpu: what its base image lacks, pip, by which the
# headers of CUDA come.
set -eu
if python3 -m pip --version >/dev/null 2>&1; then
  exit 0
fi
apt-get update
apt-get install --yes --no-install-recommends python3-pip
