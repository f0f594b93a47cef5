#!/usr/bin/env bash
# Builds the wheel, installs it into an environment that holds nothing of the project, and runs the
# Python package's tests there: scripts/test_wheel.sh [pytest arguments]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
make_package_environment "$cache/venv-package" python/requirements-package.txt
unset PYTHONPATH
export ONNXQUANT_CACHE="$cache"
exec "$cache/venv-package/bin/python" -m pytest -q --no-header "$@" tests/python_api
