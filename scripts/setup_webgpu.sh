#!/usr/bin/env bash
# Makes WebGPU with true half-precision arithmetic run without a GPU: an environment with
# onnxruntime-webgpu (it replaces onnxruntime, hence an environment of its own) and Mesa's software
# Vulkan driver (lavapipe, 25 or later). Where the distribution has an older Mesa, its backports
# suite has a newer one: it is fetched with a private apt configuration and unpacked in the cache
# folder. No package source is added to the system and none of its packages is replaced.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$root/scripts/private_apt.sh"

mesa="$cache/mesa"
icd="$mesa/lvp_icd.json"

unpack_mesa() {
  local package library
  work="$(mktemp -d "$cache/mesa-apt.XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/tree"
  say "fetching Mesa's software Vulkan driver from $codename-backports"
  private_apt "$work" deb "$codename" "$codename-backports"
  apt-get "${apt_options[@]}" install -y -qq --download-only --no-install-recommends \
    -t "$codename-backports" --reinstall mesa-vulkan-drivers libvulkan1 >/dev/null
  for package in "$work"/archives/*.deb; do
    dpkg-deb -x "$package" "$work/tree"
  done

  library="$(find "$work/tree/usr/lib" -name libvulkan_lvp.so -print -quit)"
  [ -n "$library" ] || die "the fetched packages hold no libvulkan_lvp.so"
  library="${library#"$work/tree"}"
  printf '%s:%s' "$mesa$(dirname "$library")" "$mesa/lib/$(basename "$(dirname "$library")")" \
    >"$work/tree/library_path"
  # The packages' own file names the library alone; the loader needs to find this copy.
  printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' \
    "$mesa$library" >"$work/tree/lvp_icd.json"
  rm -rf "$mesa"
  mv "$work/tree" "$mesa"
}

# Whether every library that the driver needs is found: one that came with the system may have
# been removed since.
mesa_is_whole() {
  local library
  [ -f "$icd" ] || return 1
  library="$(find "$mesa/usr/lib" -name libvulkan_lvp.so -print -quit)"
  ! LD_LIBRARY_PATH="$(cat "$mesa/library_path")" ldd "$library" | grep -q 'not found'
}

mkdir -p "$cache"
make_environment "$cache/venv-webgpu" "$root/python/requirements-webgpu.txt"
if mesa_is_whole; then
  say "$mesa is unpacked"
else
  unpack_mesa
fi

# Mesa's fresh libraries must load, and arithmetic must be real half precision: 60000+60000 = Inf.
stamp="$mesa/checked"
if [ ! -f "$stamp" ]; then
  say "checking half-precision arithmetic on WebGPU"
  "$root/scripts/python_webgpu.sh" -m onnxquant_tools.check_webgpu
  : >"$stamp"
fi
