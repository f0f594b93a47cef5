#!/usr/bin/env bash
# Runs Python with the project's tools and ONNX Runtime (CPU):
#   scripts/python.sh -m onnxquant_tools.run_model MODEL.onnx --prompt "The capital of France is"
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "$cache/venv/bin/python" ] || die "$cache/venv is missing; run scripts/setup.sh"
export PYTHONPATH="$root/python${PYTHONPATH:+:$PYTHONPATH}"
exec "$cache/venv/bin/python" "$@"
