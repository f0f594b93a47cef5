#!/usr/bin/env bash
# Installs the environment of the exporter's reference tests: torch, transformers and peft, which
# only the tests use. Safe to repeat; a second run takes a moment and no network.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_environment "$cache/venv-torch" "$root/python/requirements-torch.txt"
