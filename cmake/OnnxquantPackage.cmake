# The library as other projects use it: one static and, on request, one shared library made of the
# folders of lib/ that conversion needs, and what find_package and pkg-config read.
#   onnxquant::static   to be linked with the program's own onnx, one copy for both
#   onnxquant::shared   holds onnx and protobuf, hidden: for programs that have an onnx of their own
#   onnxquant::onnxquant  the shared one where it is built
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
include(OnnxquantPkgConfig)

set(_folders base text kernels methods files schema model lattice formats graph analysis targets statistics policy check rewrite report convert parts)
list(TRANSFORM _folders REPLACE "(.+)" "$<TARGET_OBJECTS:onnxquant_\\1>" OUTPUT_VARIABLE _objects)
file(GLOB _headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/onnxquant/*.h")

function(onnxquant_packaged name kind)
  add_library(onnxquant_${name} ${kind} ${_objects})
  add_library(onnxquant::${name} ALIAS onnxquant_${name})
  set_target_properties(onnxquant_${name} PROPERTIES
    OUTPUT_NAME onnxquant EXPORT_NAME ${name} LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_compile_features(onnxquant_${name} PUBLIC cxx_std_20)
  target_sources(onnxquant_${name} PUBLIC FILE_SET HEADERS
                 BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${_headers})
  # What the headers show; all else is the library's own affair.
  target_link_libraries(onnxquant_${name} PUBLIC absl::status absl::statusor absl::strings absl::span)
endfunction()

set(_private OpenSSL::Crypto TBB::tbb hwy::hwy yaml-cpp re2::re2 absl::flat_hash_map absl::flat_hash_set absl::str_format
    Threads::Threads)
onnxquant_packaged(static STATIC)
target_link_libraries(onnxquant_static PRIVATE ${_private} ONNX::onnx protobuf::libprotobuf)
set(_components static)

if(ONNXQUANT_BUILD_SHARED)
  onnxquant_packaged(shared SHARED)
  get_target_property(_onnx_type ONNX::onnx TYPE)
  if(NOT _onnx_type STREQUAL "STATIC_LIBRARY")
    message(FATAL_ERROR "ONNXQUANT_BUILD_SHARED: found ONNX::onnx of type ${_onnx_type}, expected a "
                        "static library, which the shared libonnxquant holds")
  endif()
  # By file: as targets they would bring libprotobuf.so.
  target_link_libraries(onnxquant_shared PRIVATE ${_private} $<TARGET_FILE:ONNX::onnx>
                        "${ONNXQUANT_PROTOBUF_PIC_LIBRARY}")
  set(_version_script "${CMAKE_CURRENT_LIST_DIR}/onnxquant.map")
  target_link_options(onnxquant_shared PRIVATE
    LINKER:--exclude-libs,ALL LINKER:--no-undefined "LINKER:--version-script=${_version_script}")
  set_target_properties(onnxquant_shared PROPERTIES LINK_DEPENDS "${_version_script}")
  list(APPEND _components shared)
  add_library(onnxquant::onnxquant ALIAS onnxquant_shared)
else()
  add_library(onnxquant::onnxquant ALIAS onnxquant_static)
endif()

if(ONNXQUANT_INSTALL)
  set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/onnxquant")
  foreach(component IN LISTS _components)
    install(TARGETS onnxquant_${component} EXPORT onnxquant_${component}
            FILE_SET HEADERS COMPONENT development
            LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
            ARCHIVE COMPONENT development)
    install(EXPORT onnxquant_${component} FILE onnxquant-${component}.cmake NAMESPACE onnxquant::
            DESTINATION "${_package_dir}" COMPONENT development)
  endforeach()
  list(JOIN _components " " _components)
  configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/onnxquantConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/package/onnxquantConfig.cmake" INSTALL_DESTINATION "${_package_dir}")
  # Before 1.0 a minor version may change the interface.
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/onnxquantConfigVersion.cmake"
                                   COMPATIBILITY SameMinorVersion)
  install(FILES "${PROJECT_BINARY_DIR}/package/onnxquantConfig.cmake"
                "${PROJECT_BINARY_DIR}/package/onnxquantConfigVersion.cmake"
                "${CMAKE_CURRENT_LIST_DIR}/OnnxquantRe2.cmake"
          DESTINATION "${_package_dir}" COMPONENT development)
  if(ONNXQUANT_BUILD_SHARED)
    onnxquant_write_pkg_config("${PROJECT_BINARY_DIR}/package/onnxquant.pc")
    install(FILES "${PROJECT_BINARY_DIR}/package/onnxquant.pc"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)
  endif()
endif()
