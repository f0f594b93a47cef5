#!/usr/bin/env bash
# Makes the float32 Gemma 3 270M (1.1 GB) from the weights' package that scripts/setup.sh has
# installed, once, and prints the path of its model.onnx as the last line.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
model="$cache/models/gemma3-270m/onnx/model.onnx"
if [ ! -f "$model" ]; then
  say "exporting the float32 Gemma 3 270M (about 20 s)" >&2
  "$root/scripts/python.sh" -m onnxquant_tools.export_gemma --out "$cache/models/gemma3-270m" >&2
fi
printf '%s\n' "$model"
