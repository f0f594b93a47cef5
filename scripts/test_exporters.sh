#!/usr/bin/env bash
# Runs the examples for other exporters (torch, optimum, onnxruntime-genai, Olive) with the installed
# wheel, and checks what they write: scripts/test_exporters.sh [pytest arguments]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
make_package_environment "$cache/venv-exporters" python/requirements-exporters.txt
unset PYTHONPATH
export ONNXQUANT_CACHE="$cache" HF_HUB_OFFLINE=1
exec "$cache/venv-exporters/bin/python" -m pytest -q --no-header "$@" tests/exporters
