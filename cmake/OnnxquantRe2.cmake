# re2::re2. Not every distribution's RE2 has a CMake package (Debian 12's has none). Installed with
# onnxquant's own package, which needs it for the static library.
find_package(re2 CONFIG QUIET)
if(NOT TARGET re2::re2)
  find_path(ONNXQUANT_RE2_INCLUDE re2/re2.h)
  find_library(ONNXQUANT_RE2_LIBRARY re2)
  mark_as_advanced(ONNXQUANT_RE2_INCLUDE ONNXQUANT_RE2_LIBRARY)
  if(ONNXQUANT_RE2_INCLUDE AND ONNXQUANT_RE2_LIBRARY)
    find_package(Threads QUIET)
    add_library(re2::re2 UNKNOWN IMPORTED)
    set_target_properties(re2::re2 PROPERTIES
      IMPORTED_LOCATION "${ONNXQUANT_RE2_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${ONNXQUANT_RE2_INCLUDE}"
      INTERFACE_LINK_LIBRARIES Threads::Threads)
  endif()
endif()
