# Embeds policies/*.yaml: onnxquant_embed_policies(OUT) writes a C++ file that defines
# BuiltinPolicies(), sorted by name, when a policy has changed.
function(onnxquant_embed_policies output)
  file(GLOB policies CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/policies/*.yaml")
  list(SORT policies)
  set(entries "")
  foreach(policy IN LISTS policies)
    get_filename_component(name "${policy}" NAME_WE)
    file(READ "${policy}" yaml)
    if(yaml MATCHES "\\)POLICY\"")
      message(FATAL_ERROR "${policy} holds the delimiter of the embedded text")
    endif()
    string(APPEND entries "    {\"${name}\", R\"POLICY(${yaml})POLICY\"},\n")
    set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                 "${policy}")
  endforeach()
  file(CONFIGURE OUTPUT "${output}" @ONLY CONTENT
"// Made from policies/*.yaml by cmake/EmbedPolicies.cmake.
#include \"lib/policy/policy_yaml.h\"

namespace onnxquant {
namespace {

constexpr BuiltinPolicy kPolicies[] = {
${entries}};

}  // namespace

absl::Span<const BuiltinPolicy> BuiltinPolicies() { return kPolicies; }

}  // namespace onnxquant
")
endfunction()
