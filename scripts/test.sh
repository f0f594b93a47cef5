#!/usr/bin/env bash
# Passes every test, from nothing: installs what is needed, builds, checks style, runs the C++ tests
# (optimized, and under the address and undefined-behaviour sanitizers) and the Python tests, those on
# the real Gemma 3 270M and WebGPU included. Its last line counts them: "123 passed, 0 failed".
#
#   scripts/test.sh [--fast]      # --fast: no sanitizers, no clang-tidy, no real model
#
# About half an hour on two cores at first; later runs reuse what is in the cache folder.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fast=0
case "${1:-}" in
  --fast) fast=1 ;;
  '') ;;
  *) die "unknown argument '$1'; usage: scripts/test.sh [--fast]" ;;
esac

passed=0
failed=0

# check NAME COMMAND…: one check that passes or fails as a whole.
check() {
  local name="$1"
  shift
  say "$name"
  if "$@"; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    say "FAILED: $name"
  fi
}

# Adds a test runner's own count to ours: ctest_run PRESET, pytest_run FOLDER…
ctest_run() {
  local log="$cache/logs/ctest-$1.log" total bad
  say "C++ tests ($1)"
  (cd "$root" && "$cache/venv/bin/ctest" --preset "$1" -j "$(nproc)" 2>&1) | tee "$log" |
    grep -vE '^ *(Start|[0-9]+/[0-9]+ Test .* Passed)' || true
  total="$(sed -nE 's/.*tests failed out of ([0-9]+).*/\1/p' "$log")"
  bad="$(sed -nE 's/.*, ([0-9]+) tests failed out of.*/\1/p' "$log")"
  if [ -z "$total" ] || [ "$total" -eq 0 ]; then
    failed=$((failed + 1))
    say "FAILED: no C++ test ran ($1)"
    return
  fi
  passed=$((passed + total - bad))
  failed=$((failed + bad))
}

pytest_run() {
  local log="$cache/logs/pytest.xml" counts
  say "Python tests: $*"
  rm -f "$log"
  (cd "$root" && scripts/python.sh -m pytest -q --no-header --junit-xml="$log" "$@")
  # tests, failures + errors, skipped
  counts="$("$cache/venv/bin/python" -c '
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()[0].attrib
bad = int(suite["failures"]) + int(suite["errors"])
print(int(suite["tests"]) - bad - int(suite["skipped"]), bad)' "$log")" || counts="0 1"
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
}

"$root/scripts/setup.sh" || die "setting up failed"
"$root/scripts/build.sh" release || die "the build failed"
check "clang-format" "$root/scripts/check_format.sh"
check "ruff and mypy" "$root/scripts/check_python.sh"
ctest_run release
pytest_run tests/python tests/cli
if [ "$fast" -eq 0 ]; then
  pytest_run tests/real
  check "build with sanitizers" "$root/scripts/build.sh" asan
  ctest_run asan
  check "clang-tidy" "$root/scripts/check_tidy.sh"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
