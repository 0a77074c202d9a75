#!/usr/bin/env bash
# Makes the Python environment with the real runtimes, in
# ${GOQAT_CACHE:-.cache}/peers, or, as peers-env.sh bench, that of what goqat is
# measured against, in bench-peers (6 GB), and prints the path of its python.
# What is there already is kept; a changed list of packages makes it anew.
#
# Exit code 77: it cannot be made here; the last line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
name=peers
packages=("numpy>=2,<3" onnx==1.23.2 onnxruntime==1.32.0 ai-edge-litert==2.3.0 tflite-micro==0.dev20261023182759)
if [ "${1:-}" = bench ]; then
  name=bench-peers
  packages=("numpy>=2,<3" torch==2.15.0 torchvision==0.29.2 onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2 openvino==2026.4.1)
fi

base=${GOQAT_CACHE:-.cache}
mkdir -p "$base"
env=$(cd "$base" && pwd)/$name
stamp="$env/installed"
want=$(printf '%s\n' "${packages[@]}"; python3 -V 2>&1 || true)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && "$env/bin/python" -c '' 2>/dev/null; then
  echo "$env/bin/python"
  exit 0
fi
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  echo "needs python3 with venv"
  exit 77
fi
rm -rf "$env"
python3 -m venv "$env" >&2
if ! "$env/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" >&2; then
  rm -rf "$env"
  echo "needs a package index, or a folder of wheels by PIP_FIND_LINKS, for: ${packages[*]}"
  exit 77
fi
echo "$want" >"$stamp"
echo "$env/bin/python"
