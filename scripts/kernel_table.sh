#!/usr/bin/env bash
# Writes lib/targets/kernels.txt anew: asks every runtime that is set up here, and those releases of
# ONNX Runtime that are named, which operators they load in which float types.
#   scripts/kernel_table.sh 1.24.4 1.32.0
# KERNEL_LISTS names lists of ONNX Runtime's source for what cannot be asked here, with the release
# whose source it is:
#   KERNEL_LISTS="cuda@1.28=OperatorKernels.md coreml@1.28=coreml_supported_mlprogram_ops.md"
# Run scripts/setup.sh and scripts/setup_browser.sh first. Takes some minutes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export NODE_MODULES="$cache/web/node_modules"
[ -d "$NODE_MODULES/onnxruntime-web" ] || die "$NODE_MODULES is missing; run scripts/setup_browser.sh"
tools="$root/python/onnxquant_tools"
folder="$(mktemp -d "$cache/kernels-XXXXXX")"
trap 'rm -rf "$folder"' EXIT
results=()

# NAME FILE: takes a result into the table, under the version that the runtime has.
take() {
  local version
  version="$(grep -m1 -o '"runtime": "[^"]*' "$2" | grep -oE '[0-9]+\.[0-9]+' | head -1)"
  results+=("$1@$version=$2")
}

"$root/scripts/python.sh" -m onnxquant_tools.probe_models "$folder/models"
for release in "$@"; do
  say "asking onnxruntime $release"
  "$cache/venv/bin/pip" install --quiet --no-deps --target "$folder/ort-$release" "onnxruntime==$release"
  PYTHONPATH="$folder/ort-$release:$root/python" "$cache/venv/bin/python" \
    -m onnxquant_tools.probe_runtime "$folder/models" cpu "$folder/cpu-$release.json"
  take cpu "$folder/cpu-$release.json"
done
say "asking the runtimes that are set up"
"$root/scripts/python.sh" -m onnxquant_tools.probe_runtime "$folder/models" cpu "$folder/cpu.json"
take cpu "$folder/cpu.json"
"$root/scripts/python_webgpu.sh" -m onnxquant_tools.probe_runtime "$folder/models" webgpu \
  "$folder/webgpu.json"
take webgpu "$folder/webgpu.json"
(
  . "$root/scripts/webgpu_environment.sh"
  node "$tools/probe_runtime.mjs" "$folder/models" webgpu "$folder/webgpu-node.json"
)
take webgpu "$folder/webgpu-node.json"
for bundle in wasm asyncify; do
  node "$tools/probe_runtime.mjs" "$folder/models" "$bundle" "$folder/$bundle.json"
  take "$bundle" "$folder/$bundle.json"
done
for list in ${KERNEL_LISTS:-}; do
  name="${list%%=*}"
  "$root/scripts/python.sh" -m onnxquant_tools.kernel_docs "$folder/models" "${name%@*}" \
    "${list#*=}" "$folder/$name.json"
  results+=("$name=$folder/$name.json")
done
[ -n "${KERNEL_LISTS:-}" ] || die "KERNEL_LISTS is not set: the columns of cuda and coreml would go"
sorted="$(printf '%s\n' "${results[@]}" | sort -t@ -k1,1 -k2,2V)"
mapfile -t results <<<"$sorted"
"$root/scripts/python.sh" -m onnxquant_tools.kernel_table "$folder/models" "${results[@]}"
