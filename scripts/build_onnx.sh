#!/usr/bin/env bash
# Builds onnx's C++ library from its pinned source archive into $ONNXQUANT_CACHE/onnx-<version>,
# once. Needs protoc, libprotobuf and a C++ compiler; takes some minutes. CMake calls it when
# find_package does not find onnx.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=1.23.2
sha256=008cb0467b2bbee41448acc7da8b6f4e704624cb0d327a2d5adafc7ce19bc5b8
prefix="$cache/onnx-$version"

if [ -d "$prefix/lib/cmake/ONNX" ]; then
  say "$prefix is built"
  exit 0
fi
command -v protoc >/dev/null ||
  die "protoc not found; install protobuf-compiler and libprotobuf-dev (scripts/setup.sh does)"

mkdir -p "$cache"
if [ ! -x "$cache/venv/bin/cmake" ]; then
  make_environment "$cache/venv" "$root/python/requirements.txt"
fi
tools="$cache/venv/bin"
work="$(mktemp -d "$cache/onnx-build.XXXXXX")"
trap 'rm -rf "$work"' EXIT

# --no-binary names onnx alone: for everything it would compile cmake itself from source.
say "fetching the source of onnx $version"
printf 'onnx==%s --hash=sha256:%s\n' "$version" "$sha256" >"$work/requirements.txt"
"$tools/python" -m pip download -qq --disable-pip-version-check --no-deps --no-binary onnx \
  --require-hashes -r "$work/requirements.txt" -d "$work"
tar -xzf "$work"/onnx-"$version".tar.gz -C "$work"

say "building onnx $version (a few minutes)"
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
{
  "$tools/cmake" -S "$work/onnx-$version" -B "$work/build" -G Ninja \
    -DCMAKE_MAKE_PROGRAM="$tools/ninja" "${launcher[@]}" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
    -DONNX_ML=ON -DONNX_BUILD_PYTHON=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DONNX_USE_UNITY_BUILD=ON -DONNX_USE_PROTOBUF_SHARED_LIBS=ON &&
    "$tools/cmake" --build "$work/build" &&
    "$tools/cmake" --install "$work/build" --prefix "$work/install"
} >"$work/log" 2>&1 || {
  tail -n 40 "$work/log" >&2
  die "onnx did not build; the end of its log is above"
}

# Renamed when whole: an interrupted build is never taken for a finished one.
if [ -e "$prefix" ]; then
  mv "$prefix" "$work/incomplete"
fi
mv "$work/install" "$prefix"
say "built $prefix"
