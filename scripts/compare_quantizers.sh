#!/usr/bin/env bash
# Quantizes the same weights of a model to 4 bits with this project's methods and with those of ONNX
# Runtime's Python package, and prints how far each file parts from the model, as Markdown:
#
#   scripts/compare_quantizers.sh [--calibration FILE] [--tokens N|FILE | --inputs DIR] [MODEL.onnx]
#
# Of the real Gemma 3 270M where no model is named. Without a calibration one is made, which takes
# minutes. Needs what scripts/setup.sh installs and 9 GB of disk for the files.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "${ONNXQUANT:-$root/build/release/bin/onnxquant}" ] ||
  die "the program is missing; run scripts/build.sh release --target onnxquant"
make_environment "$cache/venv-quantizers" "$root/python/requirements-quantizers.txt" >&2
exec "$root/scripts/python.sh" -m onnxquant_tools.compare_quantizers --cache "$cache" "$@"
