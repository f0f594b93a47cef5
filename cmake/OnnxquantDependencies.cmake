# Every dependency comes from find_package. Only onnx may be missing: then its pinned source
# archive is built once into the cache folder (scripts/build_onnx.sh), which lies outside the
# checkout so that a fresh clone on a warm machine does not build it again.
if(DEFINED ENV{ONNXQUANT_CACHE})
  set(_onnxquant_cache "$ENV{ONNXQUANT_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(_onnxquant_cache "$ENV{XDG_CACHE_HOME}/onnxquant")
else()
  set(_onnxquant_cache "$ENV{HOME}/.cache/onnxquant")
endif()
set(ONNXQUANT_CACHE "${_onnxquant_cache}" CACHE PATH "Where built dependencies are kept")
set(ONNXQUANT_ONNX_VERSION 1.23.2)

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl REQUIRED)
find_package(Eigen3 REQUIRED)
find_package(HWY REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(TBB REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(ZLIB REQUIRED)
include(OnnxquantRe2)
if(NOT TARGET re2::re2)
  message(FATAL_ERROR "RE2 was not found; install libre2-dev, or name its folder with -DONNXQUANT_RE2_INCLUDE and -DONNXQUANT_RE2_LIBRARY")
endif()
if(ONNXQUANT_BUILD_TOOLS OR ONNXQUANT_BUILD_PYTHON)
  find_package(CLI11 REQUIRED)
endif()
find_package(nlohmann_json REQUIRED)

# A project that has onnx already shares it with us: a process can hold one copy only.
if(TARGET onnx AND NOT TARGET ONNX::onnx)
  add_library(ONNX::onnx ALIAS onnx)
endif()
# onnx's package configuration needs protobuf to be found first, and forgets to say so.
set(_onnx_prefix "${ONNXQUANT_CACHE}/onnx-${ONNXQUANT_ONNX_VERSION}")
if(NOT TARGET ONNX::onnx)
  find_package(ONNX ${ONNXQUANT_ONNX_VERSION} CONFIG QUIET PATHS "${_onnx_prefix}")
endif()
if(NOT TARGET ONNX::onnx)
  message(STATUS "onnx ${ONNXQUANT_ONNX_VERSION} not found: building it once in ${_onnx_prefix}")
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env "ONNXQUANT_CACHE=${ONNXQUANT_CACHE}"
            "${PROJECT_SOURCE_DIR}/scripts/build_onnx.sh"
    COMMAND_ERROR_IS_FATAL ANY)
  find_package(ONNX ${ONNXQUANT_ONNX_VERSION} CONFIG REQUIRED PATHS "${_onnx_prefix}")
endif()

if(ONNXQUANT_BUILD_SHARED)
  # Debian's libprotobuf.a is not position independent, and libprotobuf.so would be one for the
  # whole process, with one registry for every copy of onnx.
  set(_protobuf_prefix "${ONNXQUANT_CACHE}/protobuf-${Protobuf_VERSION}")
  if(NOT ONNXQUANT_PROTOBUF_PIC_LIBRARY AND NOT EXISTS "${_protobuf_prefix}/lib/libprotobuf.a")
    message(STATUS "building a position-independent libprotobuf once in ${_protobuf_prefix}")
    execute_process(
      COMMAND "${CMAKE_COMMAND}" -E env "ONNXQUANT_CACHE=${ONNXQUANT_CACHE}"
              "${PROJECT_SOURCE_DIR}/scripts/build_protobuf.sh"
      COMMAND_ERROR_IS_FATAL ANY)
  endif()
  set(ONNXQUANT_PROTOBUF_PIC_LIBRARY "${_protobuf_prefix}/lib/libprotobuf.a" CACHE FILEPATH
      "A position-independent libprotobuf.a of the version of protobuf's headers")
endif()

if(ONNXQUANT_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(ONNXQUANT_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
