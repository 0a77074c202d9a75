#!/bin/sh
# Tests libcuda.a: test.sh FOLDER_WITH_IT
set -eu
archive=$(cd "$1" && pwd)/libcuda.a
cd "$(dirname "$0")"
cc=${CC:-cc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$cc" -Wall -I.. test.c -o "$tmp/test" "$archive" -ldl -lpthread
fake() { "$cc" -shared -fPIC -DINIT="$2" -DDEVICES="$3" fake.c -o "$tmp/$1.so"; }
fake works 0 3
fake broken 999 3
fake none 100 0
fake empty 0 0
"$cc" -shared -fPIC -x c - -o "$tmp/other.so" <<C
int something;
C
for kind in works broken none empty other absent; do
  GOQAT_CUDA_DRIVER=$tmp/$kind.so "$tmp/test" $kind || { echo "driver $kind: failed"; exit 1; }
done
# Every function is there, and none but the archive's own besides.
nm "$archive" | sed -n 's/.* T //p' | grep -v '^goqat_' | sort >"$tmp/have"
grep '^[^#]' ../symbols.txt | sort >"$tmp/want"
diff "$tmp/want" "$tmp/have"
echo "the driver archive works"
