#!/usr/bin/env bash
# Runs Python with the project's tools and ONNX Runtime's WebGPU provider on the software driver
# that scripts/setup_webgpu.sh has unpacked, or on the machine's own Vulkan driver when
# ONNXQUANT_SYSTEM_VULKAN=1.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "$cache/venv-webgpu/bin/python" ] ||
  die "$cache/venv-webgpu is missing; run scripts/setup_webgpu.sh"
export PYTHONPATH="$root/python${PYTHONPATH:+:$PYTHONPATH}"
. "$root/scripts/webgpu_environment.sh"
exec "$cache/venv-webgpu/bin/python" "$@"
