#!/usr/bin/env bash
# Runs clang-tidy on every C++ file of lib/ and tools/. A file that passed is not checked again until
# it, a header of the project or .clang-tidy changes: the results are kept in the cache folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
build="$root/build/release"
[ -f "$build/compile_commands.json" ] || die "$build is not configured; run scripts/build.sh"
stamps="$cache/tidy"
mkdir -p "$stamps"
headers="$(git ls-files '*.h' .clang-tidy | xargs cat | sha256sum | cut -d' ' -f1)"

check_one() {
  local file="$1" key
  key="$( (printf '%s' "$headers"; cat "$file") | sha256sum | cut -d' ' -f1)"
  [ -e "$stamps/$key" ] && return 0
  clang-tidy-14 -p "$build" --quiet "$file" 2>/dev/null && touch "$stamps/$key"
}
export -f check_one
export build stamps headers
git ls-files 'lib/*.cc' 'tools/*.cc' | xargs -P "$(nproc)" -I{} bash -c 'check_one {}' ||
  die "clang-tidy has complaints"
