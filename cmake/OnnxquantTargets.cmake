# Each folder of lib/ is a library of its own, so that a dependency that the architecture forbids
# does not link.
include(GoogleTest)

add_library(onnxquant_options INTERFACE)
target_compile_features(onnxquant_options INTERFACE cxx_std_20)
target_compile_options(onnxquant_options INTERFACE -Wall -Wextra -Wconversion)
if(ONNXQUANT_WERROR)
  target_compile_options(onnxquant_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies in std::string's own operator+ (GCC bug 105651).
  target_compile_options(onnxquant_options INTERFACE -Wno-restrict)
endif()
target_include_directories(onnxquant_options INTERFACE "${PROJECT_SOURCE_DIR}")
if(ONNXQUANT_SANITIZE)
  # The sanitizers' own instructions make GCC see uninitialized values in the standard library.
  # An undefined behaviour is a failure, and not a line that nobody reads.
  target_compile_options(onnxquant_options INTERFACE
    -fsanitize=${ONNXQUANT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(onnxquant_options INTERFACE -fsanitize=${ONNXQUANT_SANITIZE})
endif()
if(ONNXQUANT_COVERAGE)
  # Written at once, since tests end processes in all ways.
  target_compile_options(onnxquant_options INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(onnxquant_options INTERFACE --coverage)
endif()
if(ONNXQUANT_BUILD_FUZZERS AND NOT DEFINED ENV{LIB_FUZZING_ENGINE})
  target_compile_options(onnxquant_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# The generated protobuf code and its headers are not ours to warn about.
add_library(onnxquant_onnx INTERFACE)
get_target_property(_onnx_includes ONNX::onnx INTERFACE_INCLUDE_DIRECTORIES)
target_include_directories(onnxquant_onnx SYSTEM INTERFACE ${_onnx_includes})
target_link_libraries(onnxquant_onnx INTERFACE ONNX::onnx protobuf::libprotobuf)

function(onnxquant_hide target)
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# Folders that are compiled without onnx's definitions, with which precompiled headers were.
set(_without_onnx "^(allocate|base|files|kernels|methods|report|text)(_test)?$")

# What most files include, compiled once for the libraries that know onnx.
if(ONNXQUANT_PRECOMPILE_HEADERS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)  # ccache asks for it
  endif()
  set(_empty "${PROJECT_BINARY_DIR}/precompiled.cc")
  file(CONFIGURE OUTPUT "${_empty}" CONTENT "")
  add_library(onnxquant_precompiled STATIC "${_empty}")
  onnxquant_hide(onnxquant_precompiled)
  target_link_libraries(onnxquant_precompiled PRIVATE onnxquant_options onnxquant_onnx
                        absl::statusor absl::strings absl::flat_hash_map)
  target_include_directories(onnxquant_precompiled PRIVATE "${PROJECT_SOURCE_DIR}/include")
  target_precompile_headers(onnxquant_precompiled PRIVATE
    <algorithm> <functional> <map> <memory> <optional> <set> <sstream> <string> <vector>
    <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
    <absl/strings/str_format.h> <absl/strings/str_join.h> <onnx/onnx_pb.h> <nlohmann/json.hpp>)
endif()

# The same for the tests, which all read Google Test's as well.
if(ONNXQUANT_PRECOMPILE_HEADERS AND ONNXQUANT_BUILD_TESTS)
  add_library(onnxquant_precompiled_tests STATIC "${_empty}")
  target_link_libraries(onnxquant_precompiled_tests PRIVATE onnxquant_options onnxquant_onnx
                        GTest::gmock absl::statusor absl::strings absl::flat_hash_map)
  target_include_directories(onnxquant_precompiled_tests PRIVATE "${PROJECT_SOURCE_DIR}/include")
  target_precompile_headers(onnxquant_precompiled_tests PRIVATE
    <algorithm> <filesystem> <functional> <map> <memory> <optional> <set> <sstream> <string>
    <vector> <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
    <absl/strings/str_join.h> <gmock/gmock.h> <gtest/gtest.h> <onnx/onnx_pb.h>)
endif()

function(onnxquant_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(onnxquant_${name} STATIC ${ARG_SOURCES})
  onnxquant_hide(onnxquant_${name})
  target_link_libraries(onnxquant_${name} PUBLIC ${ARG_DEPS}
                        PRIVATE onnxquant_options ${ARG_PRIVATE_DEPS})
  target_include_directories(onnxquant_${name} PUBLIC "${PROJECT_SOURCE_DIR}"
                             "${PROJECT_SOURCE_DIR}/include")
  if(ONNXQUANT_PRECOMPILE_HEADERS AND NOT name MATCHES "${_without_onnx}")
    target_precompile_headers(onnxquant_${name} REUSE_FROM onnxquant_precompiled)
  endif()
endfunction()

function(onnxquant_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE onnxquant_options ${ARG_LIBS} GTest::gmock
                        GTest::gtest_main)
  if(ONNXQUANT_PRECOMPILE_HEADERS AND NOT name MATCHES "${_without_onnx}")
    target_precompile_headers(${name} REUSE_FROM onnxquant_precompiled_tests)
  endif()
  # Under a sanitizer, or with lines counted, what takes seconds takes minutes.
  if(ONNXQUANT_SANITIZE OR ONNXQUANT_COVERAGE)
    set(seconds 1800)
  else()
    set(seconds 300)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${seconds})
endfunction()

# What feeds bytes to one entry of the library; `common` is linked into each. An engine other than
# Clang's libFuzzer comes by the environment, with its own flags for the compiler.
function(onnxquant_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(DEFINED ENV{LIB_FUZZING_ENGINE})
    set(engine $ENV{LIB_FUZZING_ENGINE})
  else()
    set(engine -fsanitize=fuzzer)
  endif()
  target_link_libraries(${name} PRIVATE onnxquant_options onnxquant_fuzz_support ${ARG_LIBS} ${engine})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

function(onnxquant_benchmark name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE onnxquant_options ${ARG_LIBS} benchmark::benchmark_main)
endfunction()
