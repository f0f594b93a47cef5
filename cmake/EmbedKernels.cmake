# Embeds lib/targets/kernels.txt: onnxquant_embed_kernels(OUT) writes a C++ file that defines
# kKernelTable, when the table has changed.
function(onnxquant_embed_kernels output)
  set(table "${PROJECT_SOURCE_DIR}/lib/targets/kernels.txt")
  file(READ "${table}" text)
  if(text MATCHES "\\)KERNELS\"")
    message(FATAL_ERROR "${table} holds the delimiter of the embedded text")
  endif()
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${table}")
  file(CONFIGURE OUTPUT "${output}" @ONLY CONTENT
"// Made from lib/targets/kernels.txt by cmake/EmbedKernels.cmake.
#include \"lib/targets/kernels.h\"

namespace onnxquant {

const char kKernelTable[] = R\"KERNELS(${text})KERNELS\";

}  // namespace onnxquant
")
endfunction()
