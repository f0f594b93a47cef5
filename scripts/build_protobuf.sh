#!/usr/bin/env bash
# Builds a position-independent static libprotobuf from Debian's source package into
# $ONNXQUANT_CACHE/protobuf-<version>, once. The shared libonnxquant holds it, since two copies of
# onnx on one libprotobuf.so end a process, and Debian's libprotobuf.a cannot go into a shared
# library. Takes a minute or two.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$root/scripts/private_apt.sh"

# The version of Debian 12 and 13. Headers and protoc are the system's, so they must match.
version=3.21.12
sha256=930c2c3b5ecc6c9c12615cf5ad93f1cd6e12d0aba862b572e076259970ac3a53
prefix="$cache/protobuf-$version"

if [ -d "$prefix/lib" ]; then
  say "$prefix is built"
  exit 0
fi
found="$(protoc --version 2>/dev/null || true)"
[ "$found" = "libprotoc $version" ] || [ "$found" = "libprotoc ${version#3.}" ] ||
  die "protoc says '$found', expected version $version; install Debian's protobuf-compiler"

work="$(mktemp -d "$cache/protobuf-build.XXXXXX")"
trap 'rm -rf "$work"' EXIT
say "fetching the source of protobuf $version"
private_apt "$work" deb-src "$codename"
(cd "$work" && apt-get "${apt_options[@]}" source -qq --download-only "protobuf" >/dev/null)
archive="$work/protobuf_$version.orig.tar.gz"
printf '%s  %s\n' "$sha256" "$archive" | sha256sum --check --quiet ||
  die "the source of protobuf $version is not the one that is known"
mkdir "$work/source"
tar -xzf "$archive" -C "$work/source" --strip-components 1

say "building protobuf $version (a minute or two)"
tools="$cache/venv/bin"
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
{
  "$tools/cmake" -S "$work/source" -B "$work/build" -G Ninja \
    -DCMAKE_MAKE_PROGRAM="$tools/ninja" "${launcher[@]}" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_POLICY_VERSION_MINIMUM=3.5 \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_CXX_VISIBILITY_PRESET=hidden \
    -DCMAKE_INSTALL_LIBDIR=lib -Dprotobuf_BUILD_TESTS=OFF -Dprotobuf_BUILD_PROTOC_BINARIES=OFF \
    -Dprotobuf_BUILD_SHARED_LIBS=OFF -Dprotobuf_WITH_ZLIB=OFF &&
    "$tools/cmake" --build "$work/build" --target libprotobuf &&
    mkdir -p "$work/install/lib" && cp "$work/build/libprotobuf.a" "$work/install/lib/"
} >"$work/log" 2>&1 || {
  tail -n 40 "$work/log" >&2
  die "protobuf did not build; the end of its log is above"
}
mv "$work/install" "$prefix"
say "built $prefix"
