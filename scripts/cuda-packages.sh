#!/usr/bin/env bash
# Fetches the compiler (NVRTC, ptxas, nvdisasm) and the headers of CUDA as
# Python packages into ${GOQAT_CACHE:-.cache}/cuda, and prints that folder.
# What is there already is kept.
#
#   cuda-packages.sh [headers|headers13|compiler|vendor|vendor-headers|vendor-headers13]...
#                                                  default: headers compiler
#
# vendor-headers are the headers of cuBLASLt, cuDNN and NCCL, half a MB, for the
# tests that compare them with cuda/cublaslt, cuda/cudnn and cuda/nccl. vendor is
# the first two with their libraries, 1 GB, which descriptors can be tested by.
#
# NVRTC 12.2 writes PTX ISA 8.2, which drivers read from 535 on: the oldest
# branch still in use that knows all instructions the kernels have, those of
# sm_90a included. Later compilers write the same code with a higher number.
# ptxas 12.4 makes cubins and tells registers and spills.
#
# Exit code 77: they cannot be had here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${GOQAT_CACHE:-.cache}
mkdir -p "$base/cuda"
cuda=$(cd "$base/cuda" && pwd)
[ $# -gt 0 ] || set -- headers compiler

fetch() { # folder, packages...
  local folder=$cuda/$1
  shift
  [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ] || return 0
  if ! python3 -m pip --version >/dev/null 2>&1; then
    echo "needs python3 with pip, for: $*"
    exit 77
  fi
  # Two at a time may do this: each in a folder of its own.
  local tmp
  tmp=$(mktemp -d "$cuda/fetch.XXXXXX")
  if ! python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --root-user-action ignore --target "$tmp" "$@" >&2; then
    rm -rf "$tmp"
    echo "needs a package index, or a folder of wheels by PIP_FIND_LINKS, for: $*"
    exit 77
  fi
  echo "$*" >"$tmp/installed"
  rm -rf "$folder"
  mv -T "$tmp" "$folder" 2>/dev/null || rm -rf "$tmp"
}

members() { # folder, packages with patterns (wheel-members.py)...
  local folder=$cuda/$1
  shift
  [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ] || return 0
  if ! command -v python3 >/dev/null; then
    echo "needs python3 with pip, for: $*"
    exit 77
  fi
  local tmp status=0
  tmp=$(mktemp -d "$cuda/fetch.XXXXXX")
  scripts/wheel-members.py "$tmp" "$@" || status=$?
  if [ $status != 0 ]; then
    rm -rf "$tmp"
    exit $status
  fi
  echo "$*" >"$tmp/installed"
  rm -rf "$folder"
  mv -T "$tmp" "$folder" 2>/dev/null || rm -rf "$tmp"
}

for part in "$@"; do
  case $part in
    headers) fetch headers nvidia-cuda-runtime-cu12==12.4.127 ;;
    headers13) fetch headers13 nvidia-cuda-runtime==13.0.96 ;;
    compiler) fetch compiler nvidia-cuda-nvrtc-cu12==12.2.140 nvidia-cuda-nvcc-cu12==12.4.131 nvidia-cuda-nvdisasm==13.2.51 ;;
    vendor) fetch vendor nvidia-cublas-cu12==12.4.5.8 nvidia-cudnn-cu12==9.1.0.70 ;;
    vendor-headers)
      members vendor-headers 'nvidia-cublas-cu12==12.4.5.8:nvidia/cublas/include/*.h' 'nvidia-cudnn-cu12==9.1.0.70:nvidia/cudnn/include/*.h' \
        'nvidia-nccl-cu12==2.20.5:nvidia/nccl/include/*.h' 'nvidia-cuda-nvcc-cu12==12.4.131:nvidia/cuda_nvcc/include/crt/*.h'
      ;;
    vendor-headers13)
      members vendor-headers13 'nvidia-cublas==13.10.0.20:nvidia/cu13/include/cublas*.h' 'nvidia-cudnn-cu13==9.28.1.4:nvidia/cudnn/include/*.h' \
        'nvidia-nccl-cu13==2.32.3:nvidia/nccl/include/*.h' 'nvidia-cuda-crt==13.0.88:nvidia/cu13/include/crt/*.h'
      ;;
    *) echo "usage: cuda-packages.sh [headers|headers13|compiler|vendor|vendor-headers|vendor-headers13]..." >&2; exit 2 ;;
  esac
done
echo "$cuda"
