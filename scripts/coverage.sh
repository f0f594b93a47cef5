#!/usr/bin/env bash
# Which lines of lib/ the tests run: by folder, then those that none does.
#
#   scripts/coverage.sh [--with-program]
#
# The C++ tests alone, or with those of the program in tests/cli. Fails below 90 % of the lines.
# build/coverage/uncovered.txt lists every line that did not run, as FILE:FIRST-LAST.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

least=90
program=0
case "${1:-}" in
  --with-program) program=1 ;;
  '') ;;
  *) die "unknown argument '$1'; usage: scripts/coverage.sh [--with-program]" ;;
esac

"$root/scripts/build.sh" coverage >"$cache/logs/build-coverage.log" 2>&1 ||
  { tail -n 40 "$cache/logs/build-coverage.log" >&2; die "the build failed"; }
work="$root/build/coverage"
find "$work" -name '*.gcda' -delete
say "C++ tests"
(cd "$root" && "$cache/venv/bin/ctest" --preset coverage -j "$(nproc)" >"$cache/logs/ctest-coverage.log" 2>&1) ||
  { tail -n 40 "$cache/logs/ctest-coverage.log" >&2; die "a C++ test failed"; }
if [ "$program" -eq 1 ]; then
  say "tests of the program"
  # Those that stop the program at each of its calls run it thousands of times, through the same lines.
  ONNXQUANT="$work/bin/onnxquant" "$root/scripts/python.sh" -m pytest -q --no-header -n "$(nproc)" tests/cli \
    --ignore tests/cli/test_interrupted_writes.py --ignore tests/cli/test_interrupted_parts.py ||
    die "a test of the program failed"
fi
# Kernels run billions of times, which is nothing to suspect.
"$root/scripts/python.sh" -m gcovr --gcov-suspicious-hits-threshold 0 --root "$root" --filter "$root/lib/" --object-directory "$work" \
  --json "$work/coverage.json" -j "$(nproc)" "$work"
"$root/scripts/python.sh" -m onnxquant_tools.coverage_table "$work/coverage.json" \
  "$work/uncovered.txt" --least "$least"
