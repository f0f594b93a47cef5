#!/usr/bin/env bash
# Installs everything that building and testing onnxquant needs, on Debian 12 or later:
# system packages, two Python environments, onnx's C++ library and (unless --no-webgpu) a software
# Vulkan driver for the WebGPU tests. Safe to repeat; a second run takes seconds and no network.
#
#   scripts/setup.sh [--no-webgpu]
#
# What is not a system package goes to $ONNXQUANT_CACHE (default ~/.cache/onnxquant).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

webgpu=1
for argument in "$@"; do
  case "$argument" in
    --no-webgpu) webgpu=0 ;;
    *) die "unknown argument '$argument'; usage: scripts/setup.sh [--no-webgpu]" ;;
  esac
done

install_packages \
  g++ pkg-config ca-certificates git ccache ninja-build python3-venv python3-dev \
  protobuf-compiler libprotobuf-dev libabsl-dev libeigen3-dev libgtest-dev libgmock-dev \
  libbenchmark-dev libyaml-cpp-dev libre2-dev libcli11-dev nlohmann-json3-dev libhwy-dev \
  libtbb-dev zlib1g-dev libssl-dev clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev llvm-14 groff-base zsh fish

mkdir -p "$cache"
make_environment "$cache/venv" "$root/python/requirements.txt"
"$root/scripts/build_onnx.sh"
if [ "$webgpu" -eq 1 ]; then
  "$root/scripts/setup_webgpu.sh"
fi
say "done; cmake is $cache/venv/bin/cmake"
