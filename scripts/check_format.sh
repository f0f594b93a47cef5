#!/usr/bin/env bash
# Checks that every C++ file is formatted as .clang-format says; --fix formats them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
mapfile -t files < <(git ls-files '*.cc' '*.h')
[ "${#files[@]}" -gt 0 ] || die "no C++ files found"
if [ "${1:-}" = --fix ]; then
  clang-format-14 -i "${files[@]}"
else
  clang-format-14 --dry-run -Werror "${files[@]}"
fi
