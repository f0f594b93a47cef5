#!/usr/bin/env bash
# The matrix of the README: what each converter makes of the real Gemma 3 270M, on ONNX Runtime's CPU
# provider, on its WebGPU provider with true float16, and in simulated float16. Prints it as Markdown:
#
#   scripts/matrix.sh [--tokens N]
#
# Needs what scripts/setup.sh installs, 12 GB of disk for the files, and about 20 minutes on two cores.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "${ONNXQUANT:-$root/build/release/bin/onnxquant}" ] ||
  die "the program is missing; run scripts/build.sh release --target onnxquant"
"$root/scripts/setup_converters.sh" >&2
reference="$("$root/scripts/fetch_gemma.sh" | tail -n 1)"
. "$root/scripts/webgpu_environment.sh"
exec "$root/scripts/python.sh" -m onnxquant_tools.matrix "$reference" --cache "$cache" "$@"
