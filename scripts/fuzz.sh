#!/usr/bin/env bash
# Feeds mutated inputs to the library, under the address and undefined-behaviour sanitizers, with
# bounded time and memory for each:
#
#   scripts/fuzz.sh [TARGET|all] [SECONDS]
#
# TARGET is one of fuzz/*_fuzzer.cc without its suffix; SECONDS (20) are for each. What ends a
# fuzzer lies in build/fuzz/findings/TARGET, and fails this script: build/fuzz/bin/TARGET FILE shows
# it again. The corpus grows in build/fuzz/corpus from run to run. FUZZ_SEED (1) makes runs alike.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

chosen="${1:-all}"
seconds="${2:-20}"
[[ "$seconds" =~ ^[0-9]+$ ]] || die "'$seconds' is no number of seconds"
targets=()
for source in "$root"/fuzz/*_fuzzer.cc; do
  name="$(basename "$source" .cc)"
  if [ "$chosen" = all ] || [ "$chosen" = "$name" ]; then targets+=("$name"); fi
done
[ "${#targets[@]}" -gt 0 ] || die "no fuzzer '$chosen'; fuzz/ has $(cd "$root/fuzz" && echo *_fuzzer.cc)"

"$root/scripts/build.sh" fuzz --target "${targets[@]}" >"$cache/logs/build-fuzz.log" 2>&1 ||
  { tail -n 40 "$cache/logs/build-fuzz.log" >&2; die "the fuzzers do not build"; }
work="$root/build/fuzz"
rm -rf "$work/seeds"
"$root/scripts/python.sh" -m onnxquant_tools.fuzz_seeds "$work/seeds" >/dev/null

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=0}"
export LSAN_OPTIONS="suppressions=$root/tests/support/leaks_of_others.txt:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1"
symbolizer="$(command -v llvm-symbolizer-14 || true)"
[ -z "$symbolizer" ] || export ASAN_SYMBOLIZER_PATH="$symbolizer"

# fuzz_one NAME: its words, from the file of its own, or of all that read models.
fuzz_one() {
  local name="$1" dictionary="$root/fuzz/dictionaries/$1.dict" status=0
  [ -e "$dictionary" ] || dictionary="$root/fuzz/dictionaries/model.dict"
  mkdir -p "$work/corpus/$name" "$work/findings/$name"
  "$work/bin/$name" "$work/corpus/$name" "$work/seeds/$name" \
    -dict="$dictionary" -artifact_prefix="$work/findings/$name/" -max_total_time="$seconds" \
    -seed="${FUZZ_SEED:-1}" -max_len=16384 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -print_final_stats=1 -verbosity=1 >"$cache/logs/$name.log" 2>&1 || status=$?
  say "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$cache/logs/$name.log") inputs"
  if [ "$status" -ne 0 ]; then
    grep -vE '^#[0-9]+\s+(NEW|REDUCE|pulse|INITED|RELOAD)' "$cache/logs/$name.log" | tail -n 60 >&2
    printf 'fuzz: %s ended with %s; its input is in %s\n' "$name" "$status" "$work/findings/$name" >&2
  fi
  return "$status"
}

# One on each core.
started=()
for name in "${targets[@]}"; do
  while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do sleep 0.2; done
  fuzz_one "$name" &
  started+=("$!")
done
failed=0
for process in "${started[@]}"; do
  wait "$process" || failed=$((failed + 1))
done
[ "$failed" -eq 0 ] || die "$failed of ${#targets[@]} fuzzers found something"
say "all ${#targets[@]} fuzzers found nothing"
