#!/usr/bin/env bash
# Lints and type-checks the Python code: ruff's rules and format, mypy's strict mode.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
bin="$cache/venv/bin"
suites=(tests/cli tests/conformance tests/docs tests/export tests/exporters tests/hazards tests/models tests/notebooks tests/package tests/python tests/python_api tests/random tests/real tests/targets tests/web)
[ -x "$bin/ruff" ] || die "$cache/venv is missing; run scripts/setup.sh"
"$bin/ruff" check --config python/pyproject.toml python benchmarks examples "${suites[@]}"
"$bin/ruff" format --check --config python/pyproject.toml python benchmarks examples "${suites[@]}"
# Apart: each test folder has a conftest.py of its own, which mypy takes for one module.
MYPYPATH=python "$bin/mypy" --config-file python/pyproject.toml -p onnxquant_tools -p onnxquant
for folder in "${suites[@]}"; do
  MYPYPATH="python:examples/exporters:$folder" "$bin/mypy" --config-file python/pyproject.toml "$folder"
done
