#!/usr/bin/env bash
# Times conversions beside those of other tools, on the real Gemma 3 270M, MiniLM and a model of 4 GB,
# and writes docs/performance.md:
#
#   scripts/performance.sh [--runs N] [--model gemma|minilm|synthetic] [--gigabytes N]
#
# Half an hour on two cores, 24 GB of memory (which others need) and 16 GB of disk. Let the machine do
# nothing else meanwhile. The others live in an environment of their own in the cache folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "${ONNXQUANT:-$root/build/release/bin/onnxquant}" ] ||
  die "the program is missing; run scripts/build.sh release --target onnxquant"
make_environment "$cache/venv-performance" "$root/python/requirements-performance.txt" >&2
export PYTHONPATH="$root/python"
exec "$root/scripts/python.sh" -m onnxquant_tools.performance "$root/docs/performance.md" \
  --cache "$cache" "$@"
