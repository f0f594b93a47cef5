#!/usr/bin/env bash
# Configures and builds one preset: scripts/build.sh [release|package|debug|asan|tsan] [cmake --build arguments]
# Run scripts/setup.sh first.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset="${1:-release}"
shift || true
[ -x "$cache/venv/bin/cmake" ] || die "$cache/venv is missing; run scripts/setup.sh"
export PATH="$cache/venv/bin:$PATH"
export CCACHE_DIR="${CCACHE_DIR:-$cache/ccache}" CCACHE_BASEDIR="$root"
export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_NOHASHDIR=1  # headers compiled before, other folders
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cd "$root"
say "configuring $preset"
cmake --preset "$preset" "${launcher[@]}" >"$cache/logs/cmake-$preset.log" 2>&1 ||
  { cat "$cache/logs/cmake-$preset.log" >&2; die "configuring failed"; }
say "building $preset"
cmake --build --preset "$preset" "$@"
