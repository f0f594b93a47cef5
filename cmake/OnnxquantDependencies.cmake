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
find_package(TBB REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)

# onnx's package configuration needs protobuf to be found first, and forgets to say so.
set(_onnx_prefix "${ONNXQUANT_CACHE}/onnx-${ONNXQUANT_ONNX_VERSION}")
find_package(ONNX ${ONNXQUANT_ONNX_VERSION} CONFIG QUIET PATHS "${_onnx_prefix}")
if(NOT ONNX_FOUND)
  message(STATUS "onnx ${ONNXQUANT_ONNX_VERSION} not found: building it once in ${_onnx_prefix}")
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env "ONNXQUANT_CACHE=${ONNXQUANT_CACHE}"
            "${PROJECT_SOURCE_DIR}/scripts/build_onnx.sh"
    COMMAND_ERROR_IS_FATAL ANY)
  find_package(ONNX ${ONNXQUANT_ONNX_VERSION} CONFIG REQUIRED PATHS "${_onnx_prefix}")
endif()

if(ONNXQUANT_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(ONNXQUANT_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
