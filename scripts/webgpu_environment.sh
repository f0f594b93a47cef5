# Source it after common.sh: points Vulkan at the software driver that scripts/setup_webgpu.sh has
# unpacked, or leaves the machine's own when ONNXQUANT_SYSTEM_VULKAN=1.
if [ "${ONNXQUANT_SYSTEM_VULKAN:-0}" != 1 ]; then
  [ -f "$cache/mesa/lvp_icd.json" ] || die "$cache/mesa is missing; run scripts/setup_webgpu.sh"
  export VK_DRIVER_FILES="$cache/mesa/lvp_icd.json"
  libraries="$(cat "$cache/mesa/library_path")"
  export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
