#!/usr/bin/env bash
# Prepares a headless Chromium with WebGPU and half precision (shader-f16) on a machine without a GPU,
# and Transformers.js to run in it. tests/web calls it; a second run takes less than a second.
#
# System packages: chromium, Vulkan's headers, and Node.js where there is none. Everything else goes to
# $ONNXQUANT_CACHE/web: node_modules, pinned by tests/web/package-lock.json, and a copy of Chromium
# whose software adapter is Mesa's lavapipe (scripts/setup_webgpu.sh) behind tests/web/vulkan_shim.c.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

web="$cache/web"
chromium="$web/chromium"

setup_packages() {
  local packages=(chromium libvulkan-dev gcc)
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
  install_packages "${packages[@]}"
}

setup_node_modules() {
  local hash
  hash="$(cat "$root"/tests/web/package*.json | sha256sum | cut -d' ' -f1)"
  if [ "$(cat "$web/node_modules/.hash" 2>/dev/null)" = "$hash" ]; then
    say "$web/node_modules is up to date"
    return
  fi
  say "installing Transformers.js and ONNX Runtime for browsers and Node.js"
  mkdir -p "$web"
  cp "$root"/tests/web/package*.json "$web"
  # No install scripts: onnxruntime-node's fetches CUDA libraries. No optional parts: image codecs.
  (cd "$web" && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error)
  printf '%s\n' "$hash" >"$web/node_modules/.hash"
}

setup_chromium() {
  local stamp driver libraries
  driver="$(find "$cache/mesa/usr/lib" -name libvulkan_lvp.so -print -quit)"
  stamp="$(dpkg-query -W -f '${Version}' chromium) $driver $(
    cat "$root/tests/web/vulkan_shim.c" "${BASH_SOURCE[0]}" | sha256sum | cut -d' ' -f1)"
  if [ "$(cat "$chromium/stamp" 2>/dev/null)" = "$stamp" ]; then
    say "$chromium is up to date"
    return
  fi
  say "copying Chromium with lavapipe as its software adapter"
  work="$(mktemp -d "$web/chromium.XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  # Hard links where the cache is on the same file system; Chromium finds its files beside itself.
  cp -rl /usr/lib/chromium "$work/tree" 2>/dev/null || {
    rm -rf "$work/tree"
    cp -r /usr/lib/chromium "$work/tree"
  }
  # Pages are drawn by the real SwiftShader, under another name.
  mv "$work/tree/libvk_swiftshader.so" "$work/tree/libvk_swiftshader_real.so"
  rm "$work/tree/vk_swiftshader_icd.json"
  printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.0.5"}}\n' \
    ./libvk_swiftshader_real.so >"$work/tree/vk_swiftshader_icd.json"
  # An rpath of the old kind also serves the libraries that the driver itself asks for.
  libraries="$(cat "$cache/mesa/library_path")"
  gcc -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden "-DDRIVER=\"$driver\"" \
    -Wl,--disable-new-dtags "-Wl,-rpath,$libraries" \
    -o "$work/tree/libvk_swiftshader.so" "$root/tests/web/vulkan_shim.c" -ldl
  printf '%s\n' "$stamp" >"$work/tree/stamp"
  rm -rf "$chromium"
  mv "$work/tree" "$chromium"
}

"$root/scripts/setup_webgpu.sh"
setup_packages
setup_node_modules
setup_chromium
