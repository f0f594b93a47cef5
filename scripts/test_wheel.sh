#!/usr/bin/env bash
# Builds the wheel, installs it into an environment that holds nothing of the project, and runs the
# Python package's tests there: scripts/test_wheel.sh [pytest arguments]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
wheel="$(scripts/build_wheel.sh)"
make_environment "$cache/venv-package" python/requirements-package.txt
python="$cache/venv-package/bin/python"
"$python" -m pip install -qq --disable-pip-version-check --no-deps --force-reinstall "$wheel"
unset PYTHONPATH
export ONNXQUANT_CACHE="$cache"
exec "$python" -m pytest -q --no-header "$@" tests/python_api
