#!/usr/bin/env bash
# Runs clang-tidy on every C++ file of lib/ and tools/. A file that passed is not checked again until
# it, a header of the project that it includes or .clang-tidy changes: the results are kept in the
# cache folder. Names the files that it complains about once more at the end.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
build="$root/build/release"
[ -f "$build/compile_commands.json" ] || die "$build is not configured; run scripts/build.sh"
stamps="$cache/tidy"
mkdir -p "$stamps"
export build stamps PATH="$cache/venv/bin:$PATH"
keys="$(git ls-files 'lib/*.cc' 'tools/*.cc' | scripts/python.sh -m onnxquant_tools.tidy_keys "$build")"

check_one() {  # KEY FILE
  [ -e "$stamps/$1" ] && return 0
  clang-tidy-14 -p "$build" --quiet "$2" 2>/dev/null && touch "$stamps/$1"
}
export -f check_one
xargs -P "$(nproc)" -L1 bash -c 'check_one "$@"' check_one <<<"$keys" || true
unchecked="$(while read -r key file; do [ -e "$stamps/$key" ] || echo "$file"; done <<<"$keys")"
[ -z "$unchecked" ] || die "clang-tidy has complaints about:" $unchecked
