// The part of ONNX Runtime's C API that is used here, declared by hand: the Python packages that
// carry the library do not carry its header. The API is a table of function pointers to which new
// versions only append (onnxruntime_c_api.h: "do not change the order"), so a declaration of its
// beginning fits every library since version 1.16, which first had all of these.
#ifndef ONNXQUANT_LIB_RUNTIME_ORT_API_H_
#define ONNXQUANT_LIB_RUNTIME_ORT_API_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace onnxquant::ort {

// Objects of the library.
struct Status;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct Value;
struct TypeInfo;
struct TensorInfo;
struct MemoryInfo;
struct Allocator;

using NotUsed = void (*)();

inline constexpr std::uint32_t kApiVersion = 16;
inline constexpr int kDeviceAllocator = 0;  // OrtDeviceAllocator
inline constexpr int kMemTypeDefault = 0;   // OrtMemTypeDefault
inline constexpr int kTensorValue = 1;      // ONNX_TYPE_TENSOR
inline constexpr int kOptimizeNone = 0;     // ORT_DISABLE_ALL
inline constexpr int kOptimizeBasic = 1;    // ORT_ENABLE_BASIC
inline constexpr int kOptimizeAll = 99;     // ORT_ENABLE_ALL

// Functions that return a Status* return null on success; a name that is given out belongs to the
// allocator it was asked with.
struct Api {
  NotUsed not_used_0[2];
  const char* (*GetErrorMessage)(const Status*);
  Status* (*CreateEnv)(int log_level, const char* log_id, Env** out);
  NotUsed not_used_4[3];
  Status* (*CreateSession)(const Env*, const char* path, const SessionOptions*, Session** out);
  Status* (*CreateSessionFromArray)(const Env*, const void* model, std::size_t bytes,
                                    const SessionOptions*, Session** out);
  Status* (*Run)(Session*, const RunOptions*, const char* const* input_names,
                 const Value* const* inputs, std::size_t input_count,
                 const char* const* output_names, std::size_t output_count, Value** outputs);
  Status* (*CreateSessionOptions)(SessionOptions** out);
  NotUsed not_used_11[6];
  Status* (*DisableMemPattern)(SessionOptions*);
  NotUsed not_used_18[1];
  Status* (*DisableCpuMemArena)(SessionOptions*);
  NotUsed not_used_20[2];
  Status* (*SetSessionLogSeverityLevel)(SessionOptions*, int level);
  Status* (*SetSessionGraphOptimizationLevel)(SessionOptions*, int level);
  Status* (*SetIntraOpNumThreads)(SessionOptions*, int threads);
  NotUsed not_used_25[5];
  Status* (*SessionGetInputCount)(const Session*, std::size_t* out);
  Status* (*SessionGetOutputCount)(const Session*, std::size_t* out);
  NotUsed not_used_32[1];
  Status* (*SessionGetInputTypeInfo)(const Session*, std::size_t index, TypeInfo** out);
  Status* (*SessionGetOutputTypeInfo)(const Session*, std::size_t index, TypeInfo** out);
  NotUsed not_used_35[1];
  Status* (*SessionGetInputName)(const Session*, std::size_t index, Allocator*, char** out);
  Status* (*SessionGetOutputName)(const Session*, std::size_t index, Allocator*, char** out);
  NotUsed not_used_38[11];
  Status* (*CreateTensorWithDataAsOrtValue)(const MemoryInfo*, void* data, std::size_t bytes,
                                            const std::int64_t* dims, std::size_t rank, int type,
                                            Value** out);
  Status* (*IsTensor)(const Value*, int* out);
  Status* (*GetTensorMutableData)(Value*, void** out);
  NotUsed not_used_52[3];
  Status* (*CastTypeInfoToTensorInfo)(const TypeInfo*, const TensorInfo** out);
  NotUsed not_used_56[4];
  Status* (*GetTensorElementType)(const TensorInfo*, int* out);
  Status* (*GetDimensionsCount)(const TensorInfo*, std::size_t* out);
  Status* (*GetDimensions)(const TensorInfo*, std::int64_t* dims, std::size_t rank);
  Status* (*GetSymbolicDimensions)(const TensorInfo*, const char** symbols, std::size_t rank);
  NotUsed not_used_64[1];
  Status* (*GetTensorTypeAndShape)(const Value*, TensorInfo** out);
  NotUsed not_used_66[3];
  Status* (*CreateCpuMemoryInfo)(int allocator_type, int memory_type, MemoryInfo** out);
  NotUsed not_used_70[6];
  Status* (*AllocatorFree)(Allocator*, void* memory);
  NotUsed not_used_77[1];
  Status* (*GetAllocatorWithDefaultOptions)(Allocator** out);
  NotUsed not_used_79[13];
  void (*ReleaseEnv)(Env*);
  void (*ReleaseStatus)(Status*);
  void (*ReleaseMemoryInfo)(MemoryInfo*);
  void (*ReleaseSession)(Session*);
  void (*ReleaseValue)(Value*);
  void (*ReleaseRunOptions)(RunOptions*);
  void (*ReleaseTypeInfo)(TypeInfo*);
  void (*ReleaseTensorTypeAndShapeInfo)(TensorInfo*);
  void (*ReleaseSessionOptions)(SessionOptions*);
  NotUsed not_used_101[24];
  Status* (*GetAvailableProviders)(char*** out, int* count);
  Status* (*ReleaseAvailableProviders)(char** providers, int count);
  NotUsed not_used_127[3];
  Status* (*AddSessionConfigEntry)(SessionOptions*, const char* key, const char* value);
  NotUsed not_used_131[85];
  Status* (*SessionOptionsAppendExecutionProvider)(SessionOptions*, const char* name,
                                                   const char* const* keys,
                                                   const char* const* values, std::size_t count);
};

static_assert(offsetof(Api, Run) == 9 * sizeof(NotUsed));
static_assert(offsetof(Api, DisableCpuMemArena) == 19 * sizeof(NotUsed));
static_assert(offsetof(Api, SetSessionLogSeverityLevel) == 22 * sizeof(NotUsed));
static_assert(offsetof(Api, SessionGetOutputName) == 37 * sizeof(NotUsed));
static_assert(offsetof(Api, CreateTensorWithDataAsOrtValue) == 49 * sizeof(NotUsed));
static_assert(offsetof(Api, GetTensorTypeAndShape) == 65 * sizeof(NotUsed));
static_assert(offsetof(Api, ReleaseSessionOptions) == 100 * sizeof(NotUsed));
static_assert(offsetof(Api, AddSessionConfigEntry) == 130 * sizeof(NotUsed));
static_assert(offsetof(Api, SessionOptionsAppendExecutionProvider) == 216 * sizeof(NotUsed));

struct ApiBase {
  const Api* (*GetApi)(std::uint32_t version);
  const char* (*GetVersionString)();
};

// A loaded library with its environment. Lives until the last session that uses it is gone; the
// library's code stays mapped, because its threads may still be running when it is done.
class Library {
 public:
  // The first of the candidates that loads. Error (kUsage): none does.
  static absl::StatusOr<std::shared_ptr<const Library>> Load(
      const std::vector<std::string>& candidates);

  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library();

  const Api& api() const { return *api_; }
  const Env* env() const { return env_; }
  const std::string& path() const { return path_; }
  const std::string& version() const { return version_; }

  // As the library names them: "CPUExecutionProvider" ….
  std::vector<std::string> Providers() const;

  // Frees the status and gives its message; "" for null, which is success.
  std::string Message(Status* status) const;

 private:
  Library() = default;

  const Api* api_ = nullptr;
  Env* env_ = nullptr;
  std::string path_;
  std::string version_;
};

}  // namespace onnxquant::ort

#endif  // ONNXQUANT_LIB_RUNTIME_ORT_API_H_
