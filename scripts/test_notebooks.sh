#!/usr/bin/env bash
# Runs the notebooks of examples/notebooks on the real Gemma 3 270M, with the installed wheel, and
# checks what they show: scripts/test_notebooks.sh [pytest arguments]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
make_package_environment "$cache/venv-notebooks" python/requirements-notebooks.txt
ONNXQUANT_GEMMA="${ONNXQUANT_GEMMA:-$(scripts/fetch_gemma.sh | tail -n 1)}"
unset PYTHONPATH
export ONNXQUANT_GEMMA ONNXQUANT_CACHE="$cache"
exec "$cache/venv-notebooks/bin/python" -m pytest -q --no-header "$@" tests/notebooks
