#!/usr/bin/env bash
# Does what docker/Dockerfile.cpu, or another file, says without Docker: every stage is a folder
# that COPY fills and RUN runs in, with the Go that is here. Base images are
# taken to be empty, so a stage that needs a file of one is not tested.
set -euo pipefail
cd "$(dirname "$0")/.."
file=${1:-docker/Dockerfile.cpu}
# Packages that steps fetch are kept.
mkdir -p "${GOQAT_CACHE:-.cache}"
GOQAT_CACHE=$(cd "${GOQAT_CACHE:-.cache}" && pwd)
export GOQAT_CACHE
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
mkdir "$tmp/context"
# The context is what git has, less what .dockerignore names.
grep -vE '^(#|$)' .dockerignore >"$tmp/ignore"
git ls-files -co --exclude-standard |
  while IFS= read -r f; do [ ! -f "$f" ] || printf '%s\0' "$f"; done |
  tar --exclude-from="$tmp/ignore" --null -T - -cf - | tar -xf - -C "$tmp/context"

stage="" dir=/ entry=() n=0
fail() { echo "$file: line $n: $1" >&2; exit 1; }
inside() { case $1 in /*) echo "$tmp/$stage$1" ;; *) echo "$tmp/$stage$dir/$1" ;; esac; }
while IFS= read -r line <&3; do
  n=$((n + 1))
  case $line in *\\) fail "a continued line: write a script for it" ;; esac
  read -r word rest <<<"$line" || true
  case $word in
    '' | \#* | LABEL | ARG | EXPOSE | USER | VOLUME) ;;
    FROM)
      read -r base as name <<<"$rest"
      stage=stage-${name:-last} dir=/ entry=()
      [ "${as:-AS}" = AS ] || fail "want FROM image AS name"
      mkdir -p "$tmp/$stage"
      [ ! -d "$tmp/stage-$base" ] || cp -a "$tmp/stage-$base/." "$tmp/$stage/"
      ;;
    WORKDIR) dir=$rest && mkdir -p "$(inside .)" ;;
    ENV) export "${rest?}" ;;
    COPY)
      from=context
      if [[ $rest == --from=* ]]; then
        read -r from rest <<<"$rest"
        from=stage-${from#--from=}
      fi
      read -ra a <<<"$rest"
      to=$(inside "${a[-1]}")
      case ${a[-1]} in */ | . | ./) mkdir -p "$to" ;; *) mkdir -p "$(dirname "$to")" ;; esac
      for f in "${a[@]::${#a[@]}-1}"; do
        [ "$f" = . ] && cp -a "$tmp/$from/." "$to/" || cp -a "$tmp/$from/${f#/}" "$to"
      done
      ;;
    RUN)
      echo "-- $rest"
      (cd "$(inside .)" && sh -euc "$rest") || fail "failed: $rest"
      ;;
    ENTRYPOINT) read -ra entry <<<"$(tr -d '[]",' <<<"$rest")" ;;
    CMD) ;;
    *) fail "a step this script does not know: $word" ;;
  esac
done 3<"$file"
[ ${#entry[@]} -gt 0 ] || fail "no ENTRYPOINT"
"$tmp/$stage${entry[0]}" help >/dev/null || fail "the entry point does not start"
echo "the steps of $file work"
