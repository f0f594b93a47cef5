#!/usr/bin/env bash
# Builds the Python package's wheel into build/wheel, with its system libraries inside
# (auditwheel), so that it needs nothing but Python packages. Prints the wheel's path.
# Nothing is done when no source has changed. Run scripts/setup.sh first.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
make_environment "$cache/venv-wheel" python/requirements-wheel.txt >&2
bin="$cache/venv-wheel/bin"
out="$root/build/wheel"

sources="$(git ls-files -co --exclude-standard -- CMakeLists.txt cmake include lib policies \
  pyproject.toml python/bindings python/onnxquant python/requirements-wheel.txt tools \
  scripts/build_wheel.sh | sort | xargs sha256sum | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$out/sources.sha256" 2>/dev/null)" = "$sources" ]; then
  ls "$out"/*.whl
  exit 0
fi

export PATH="$bin:$PATH"
export CCACHE_DIR="${CCACHE_DIR:-$cache/ccache}" CCACHE_BASEDIR="$root"
options=()
if command -v ccache >/dev/null; then
  # The flags of scripts/build.sh, so that what it compiled is not compiled again.
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
  options=(--config-settings=cmake.define.ONNXQUANT_PRECOMPILE_HEADERS=OFF
    --config-settings=cmake.define.ONNXQUANT_WERROR=ON)
fi
say "building the wheel" >&2
rm -rf "$out"
mkdir -p "$out/raw"
"$bin/python" -m pip wheel -qq --disable-pip-version-check --no-build-isolation --no-deps \
  --wheel-dir "$out/raw" "${options[@]}" . >"$cache/logs/wheel.log" 2>&1 ||
  { tail -n 40 "$cache/logs/wheel.log" >&2; die "the wheel did not build; the end of its log is above"; }
"$bin/auditwheel" repair --wheel-dir "$out" "$out"/raw/*.whl >"$cache/logs/auditwheel.log" 2>&1 ||
  { tail -n 40 "$cache/logs/auditwheel.log" >&2; die "auditwheel failed"; }
printf '%s\n' "$sources" >"$out/sources.sha256"
ls "$out"/*.whl
