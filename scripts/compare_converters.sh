#!/usr/bin/env bash
# Compares onnxquant with two other float16 converters on ONNX's backend test models, and writes
# docs/converters.md: about five minutes on two cores. The others live in an environment of their own
# in the cache folder. Each result with its reason: logs/converters/*.tsv in the cache folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "${ONNXQUANT:-$root/build/release/bin/onnxquant}" ] ||
  die "the program is missing; run scripts/build.sh release --target onnxquant"
"$root/scripts/setup_converters.sh"
mkdir -p "$cache/logs/converters"
PYTHONPATH="$root/python" "$cache/venv-converters/bin/python" -W ignore \
  -m onnxquant_tools.compare_converters "$root/docs/converters.md" \
  --details "$cache/logs/converters"
say "wrote docs/converters.md"
