#!/usr/bin/env bash
# Passes every test, from nothing: installs what is needed, builds, checks style, runs the C++ tests
# and the Python tests, those on the real Gemma 3 270M, WebGPU and a browser included. Its last line
# counts them: "123 passed, 0 failed".
#
#   scripts/test.sh [--fast|--all]
#
# --fast leaves out the real models; --all adds clang-tidy, the C++ tests under the sanitizers of
# addresses, undefined behaviour and threads, and in a build without optimization that counts the lines
# that they run; and fuzzes for minutes instead of seconds. Minutes on a warm machine; later runs reuse
# the cache folder.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

real=1
all=0
case "${1:-}" in
  --fast) real=0 ;;
  --all) all=1 ;;
  '') ;;
  *) die "unknown argument '$1'; usage: scripts/test.sh [--fast|--all]" ;;
esac

passed=0
failed=0
failures=()

# check NAME COMMAND…: one check that passes or fails as a whole.
check() {
  local name="$1"
  shift
  say "$name"
  if "$@"; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    failures+=("$name")
  fi
}

# add_counts JUNIT RUN: adds what a test runner says of itself in a JUnit file to our counts, and the
# tests that did not pass to the failures; no test at all is one.
add_counts() {
  local said
  mapfile -t said < <("$root/scripts/python.sh" -m onnxquant_tools.junit_counts "$1" 2>&1)
  if [[ ! "${said[0]:-}" =~ ^[0-9]+\ [0-9]+$ ]]; then said=("0 1" "no results: ${said[*]: -1}"); fi
  passed=$((passed + ${said[0]% *}))
  failed=$((failed + ${said[0]#* }))
  local test
  for test in "${said[@]:1}"; do failures+=("$2: $test"); done
}

ctest_run() {  # PRESET
  local junit="$cache/logs/ctest-$1.xml"
  say "C++ tests ($1)"
  rm -f "$junit"
  (cd "$root" && "$cache/venv/bin/ctest" --preset "$1" -j "$(nproc)" --output-junit "$junit" 2>&1) |
    grep -vE '^ *(Start|[0-9]+/[0-9]+ Test .* Passed)'
  add_counts "$junit" "C++ tests ($1)"
}

pytest_run() {  # [OPTION…] FOLDER…
  local junit="$cache/logs/pytest.xml"
  say "Python tests: $*"
  rm -f "$junit"
  (cd "$root" && scripts/python.sh -m pytest -q --no-header --junit-xml="$junit" "$@")
  add_counts "$junit" "$*"
}

# Tests in an environment of their own, with the wheel as a user installs it.
wheel_run() {  # NAME SCRIPT
  local junit="$cache/logs/pytest-wheel.xml"
  say "$1"
  rm -f "$junit"
  "$root/scripts/$2" --junit-xml="$junit"
  add_counts "$junit" "$1"
}

# The same outputs, byte by byte, of an optimized build and of one that is not.
same_bytes() {
  ONNXQUANT_OTHER="$root/build/coverage/bin/onnxquant" "$root/scripts/python.sh" -m pytest -q --no-header \
    "$root/tests/cli/test_determinism.py"
}

"$root/scripts/setup.sh" || die "setting up failed"
"$root/scripts/build.sh" release || die "the build failed"
check "clang-format" "$root/scripts/check_format.sh"
check "ruff and mypy" "$root/scripts/check_python.sh"
ctest_run release
[ "$all" -eq 0 ] || export ONNXQUANT_KILLS=200 ONNXQUANT_WEB_FACTS=1
# The others measure time, share what is costly, or take much memory.
pytest_run -n "$(nproc)" tests/python tests/cli
pytest_run -n "$(nproc)" --dist worksteal tests/conformance tests/hazards
pytest_run tests/targets  # its runtimes are asked once
pytest_run tests/package
pytest_run tests/random
check "torch and transformers, to compare with" "$root/scripts/setup_torch.sh"
wheel_run "Python package" test_wheel.sh
check "other converters, for the documentation" "$root/scripts/setup_converters.sh"
pytest_run tests/docs
pytest_run tests/export
fuzz_seconds=20
[ "$all" -eq 0 ] || fuzz_seconds=120
check "fuzzers, $fuzz_seconds seconds each" "$root/scripts/fuzz.sh" all "$fuzz_seconds"
if [ "$real" -eq 1 ]; then
  wheel_run "Notebooks" test_notebooks.sh
  wheel_run "Other exporters" test_exporters.sh
  pytest_run tests/models
  pytest_run tests/real
  pytest_run tests/web
fi
if [ "$all" -eq 1 ]; then
  for preset in asan tsan; do
    check "build ($preset)" "$root/scripts/build.sh" "$preset"
    ctest_run "$preset"
  done
  check "coverage" "$root/scripts/coverage.sh" --with-program
  check "a build without optimization writes what the release build writes" same_bytes
  check "clang-tidy" "$root/scripts/check_tidy.sh"
fi
# Named once more at the end, where whoever sees only the last lines of a long log finds them.
for failure in "${failures[@]}"; do say "FAILED: $failure"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
