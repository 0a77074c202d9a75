#!/usr/bin/env bash
# Compiles a kernel file for the simulator, once for each of its targets, into
# one object: kernel.sh FILE.cu OUT.o INCLUDE_FOLDER
#
# Kernels are found by preprocessing with __global__ turned into a word, so
# that those that macros make are found, too. Each target has its namespace and
# its names of kernels, as helper functions may depend on GOQAT_ARCH.
set -euo pipefail
src=$1 out=$2 include=$3
cxx=${CXX:-g++}
stem=$(basename "$src" .cu)
common=(-std=gnu++17 -x c++ -I"$include" -I"$(dirname "$src")" -w -Wno-psabi)
targets=$(sed -n 's|^// Targets:||p' "$src" | tr -d a)
[ -n "$targets" ] || { echo "$src: no line \"// Targets: 75 ...\"" >&2; exit 1; }
objects=()
for t in $targets; do
  w=${out%.o}.$t.cpp
  names=$("$cxx" "${common[@]}" -E -P -DGOQAT_SIM_SCAN -DGOQAT_ARCH="$t" "$src" | tr '\n' ' ' |
    { grep -oE 'GOQAT_KERNEL +void +[A-Za-z_0-9]+ *\(' || true; } | sed -E 's/.*void +([A-Za-z_0-9]+) *\(/\1/' | sort -u)
  [ -n "$names" ] || { echo "$src: no kernel for sm_$t" >&2; exit 1; }
  {
    echo '#include "hopper.cuh"'
    for n in $names; do echo "#define $n ${n}_sm$t"; done
    echo "namespace ${stem//[^A-Za-z0-9_]/_}_sm$t {"
    echo "#include \"$(cd "$(dirname "$src")" && pwd)/$(basename "$src")\""
    echo "}"
    for n in $names; do echo "#undef $n"; done
    for n in $names; do
      echo "static sim::Kernel<${stem//[^A-Za-z0-9_]/_}_sm$t::${n}_sm$t> register_$n(\"$n\", $t);"
    done
  } >"$w"
  # -fsanitize=thread makes every access a call of access.cpp. What would turn
  # accesses into other accesses is off.
  "$cxx" "${common[@]}" -O2 -fPIC -fvisibility=hidden -ffp-contract=off -fno-strict-aliasing -fno-tree-vectorize \
    -fno-tree-loop-distribute-patterns -fsanitize=thread --param tsan-instrument-func-entry-exit=0 \
    -MMD -MP -MF "${out%.o}.$t.d" -MT "$out" -DGOQAT_ARCH="$t" -c "$w" -o "${out%.o}.$t.o"
  objects+=("${out%.o}.$t.o")
done
ld -r -o "$out" "${objects[@]}"
