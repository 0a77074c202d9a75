#!/bin/sh
# Builds libcuda.a into a folder: build.sh FOLDER. Nothing is done when it is
# newer than its sources.
set -eu
out=$1
cd "$(dirname "$0")"
[ "$out/libcuda.a" -nt symbols.txt ] && [ "$out/libcuda.a" -nt open.c ] && [ "$out/libcuda.a" -nt trampolines.sh ] && exit 0
mkdir -p "$out"
tmp=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
./trampolines.sh >"$tmp/trampolines.S"
${CC:-cc} -O2 -fPIC -Wall -Wextra -Wno-cast-function-type -c open.c -o "$tmp/open.o"
${CC:-cc} -c "$tmp/trampolines.S" -o "$tmp/trampolines.o"
${AR:-ar} rcs "$tmp/libcuda.a" "$tmp/open.o" "$tmp/trampolines.o"
mv "$tmp/libcuda.a" "$out/libcuda.a"
