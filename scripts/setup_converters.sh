#!/usr/bin/env bash
# Installs the environment of the other converters, which comparisons and the documentation's blocks
# run. Safe to repeat; a second run takes a moment and no network.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_environment "$cache/venv-converters" "$root/python/requirements-converters.txt"
