#include "lib/runtime/ort_runner.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/files/input_file.h"
#include "lib/runtime/ort_api.h"
#include "lib/runtime/ort_library.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using LibraryPtr = std::shared_ptr<const ort::Library>;

// Owns an object of the library.
template <typename T>
using Handle = std::unique_ptr<T, void (*)(T*)>;

constexpr char kSuffix[] = "ExecutionProvider";

// "WebGpuExecutionProvider" -> "webgpu".
std::string ShortName(const std::string& provider) {
  const std::string lower = absl::AsciiStrToLower(provider);
  const std::string suffix = absl::AsciiStrToLower(kSuffix);
  const bool has = lower.size() > suffix.size() &&
                   lower.compare(lower.size() - suffix.size(), suffix.size(), suffix) == 0;
  return has ? lower.substr(0, lower.size() - suffix.size()) : lower;
}

// The provider that the user means, as the library lists it.
absl::StatusOr<std::string> FindProvider(const ort::Library& library, const std::string& wanted) {
  const std::vector<std::string> providers = library.Providers();
  std::vector<std::string> names;
  for (const std::string& provider : providers) {
    if (ShortName(provider) == ShortName(wanted)) return provider;
    names.push_back(ShortName(provider));
  }
  return UsageError("provider '", wanted, "': ", library.path(), " (ONNX Runtime ",
                    library.version(), ") has ", absl::StrJoin(names, ", "),
                    " only; name another library with ONNXQUANT_ONNXRUNTIME",
                    ShortName(wanted) == "webgpu" ? ", or run scripts/setup_webgpu.sh" : "");
}

// What the generic function for adding a provider calls it.
std::string AppendName(const std::string& provider) {
  if (provider == "WebGpuExecutionProvider") return "WebGPU";
  return provider.substr(0, provider.size() - (sizeof(kSuffix) - 1));
}

class OrtRunner : public Runner {
 public:
  static absl::StatusOr<std::unique_ptr<Runner>> Load(LibraryPtr library, const ModelSource& source,
                                                      const RunnerOptions& options) {
    std::unique_ptr<OrtRunner> runner(new OrtRunner(std::move(library), source.path));
    ONNXQUANT_RETURN_IF_ERROR(runner->CreateSession(source, options));
    ONNXQUANT_RETURN_IF_ERROR(runner->ReadSignature());
    return runner;
  }

  const Signature& signature() const override { return signature_; }

  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override;

 private:
  OrtRunner(LibraryPtr library, std::string path)
      : library_(std::move(library)),
        api_(library_->api()),
        path_(std::move(path)),
        session_(nullptr, api_.ReleaseSession),
        memory_(nullptr, api_.ReleaseMemoryInfo) {}

  absl::Status Check(ort::Status* status, const char* doing) const {
    const std::string message = library_->Message(status);
    if (message.empty()) return absl::OkStatus();
    return MakeError(ErrorKind::kVerify, absl::StrCat(path_, ": ", doing, ": ", message));
  }

  absl::Status CreateSession(const ModelSource& source, const RunnerOptions& options);
  absl::Status SetOptions(ort::SessionOptions* session, const ModelSource& source,
                          const RunnerOptions& options) const;
  absl::Status ReadSignature();
  absl::StatusOr<ValueSignature> ReadValue(bool input, std::size_t index) const;
  absl::Status ReadShape(const ort::TensorInfo* info, ValueSignature* value) const;
  absl::StatusOr<Handle<ort::Value>> ToValue(const NamedTensor& input) const;
  absl::StatusOr<Tensor> FromValue(const std::string& name, ort::Value* value) const;

  LibraryPtr library_;  // first: outlives what it made
  const ort::Api& api_;
  std::string path_;
  Handle<ort::Session> session_;
  Handle<ort::MemoryInfo> memory_;
  Signature signature_;
};

absl::Status OrtRunner::SetOptions(ort::SessionOptions* session, const ModelSource& source,
                                   const RunnerOptions& options) const {
  using Optimization = RunnerOptions::Optimization;
  const int level = options.optimization == Optimization::kNone    ? ort::kOptimizeNone
                    : options.optimization == Optimization::kBasic ? ort::kOptimizeBasic
                                                                   : ort::kOptimizeAll;
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.SetSessionLogSeverityLevel(session, options.log_level),
                                  "the log level cannot be set"));
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.SetSessionGraphOptimizationLevel(session, level),
                                  "the optimization level cannot be set"));
  if (options.threads > 0) {
    ONNXQUANT_RETURN_IF_ERROR(Check(api_.SetIntraOpNumThreads(session, options.threads),
                                    "the number of threads cannot be set"));
  }
  if (options.lean) {
    constexpr char kDoing[] = "its memory cannot be kept small";
    ONNXQUANT_RETURN_IF_ERROR(Check(api_.DisableMemPattern(session), kDoing));
    ONNXQUANT_RETURN_IF_ERROR(Check(api_.DisableCpuMemArena(session), kDoing));
    ONNXQUANT_RETURN_IF_ERROR(
        Check(api_.AddSessionConfigEntry(session, "session.disable_prepacking", "1"), kDoing));
  }
  if (source.bytes != nullptr) {
    const std::string folder =
        source.folder.empty() ? fs::absolute(source.path).parent_path().string() : source.folder;
    ONNXQUANT_RETURN_IF_ERROR(
        Check(api_.AddSessionConfigEntry(
                  session, "session.model_external_initializers_file_folder_path", folder.c_str()),
              "the folder of its external data cannot be set"));
  }
  if (ShortName(options.provider) == "cpu") return absl::OkStatus();
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string provider, FindProvider(*library_, options.provider));
  const std::string message = library_->Message(api_.SessionOptionsAppendExecutionProvider(
      session, AppendName(provider).c_str(), nullptr, nullptr, 0));
  if (message.empty()) return absl::OkStatus();
  return UsageError("provider '", options.provider, "' of ", library_->path(),
                    " cannot be used here: ", message);
}

absl::Status OrtRunner::CreateSession(const ModelSource& source, const RunnerOptions& options) {
  ort::SessionOptions* made = nullptr;
  ONNXQUANT_RETURN_IF_ERROR(
      Check(api_.CreateSessionOptions(&made), "ONNX Runtime gives no session options"));
  const Handle<ort::SessionOptions> session(made, api_.ReleaseSessionOptions);
  ONNXQUANT_RETURN_IF_ERROR(SetOptions(session.get(), source, options));
  ort::MemoryInfo* memory = nullptr;
  ONNXQUANT_RETURN_IF_ERROR(
      Check(api_.CreateCpuMemoryInfo(ort::kDeviceAllocator, ort::kMemTypeDefault, &memory),
            "ONNX Runtime gives no memory"));
  memory_.reset(memory);
  ort::Session* loaded = nullptr;
  ort::Status* status =
      source.bytes != nullptr
          ? api_.CreateSessionFromArray(library_->env(), source.bytes->data(), source.bytes->size(),
                                        session.get(), &loaded)
          : api_.CreateSession(library_->env(), source.path.c_str(), session.get(), &loaded);
  const std::string message = library_->Message(status);
  if (!message.empty()) {
    return MakeError(ErrorKind::kVerify,
                     absl::StrCat(path_, ": ONNX Runtime ", library_->version(),
                                  " does not load it on '", options.provider, "': ", message));
  }
  session_.reset(loaded);
  return absl::OkStatus();
}

absl::Status OrtRunner::ReadShape(const ort::TensorInfo* info, ValueSignature* value) const {
  constexpr char kDoing[] = "its inputs and outputs cannot be read";
  int type = 0;
  std::size_t rank = 0;
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.GetTensorElementType(info, &type), kDoing));
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.GetDimensionsCount(info, &rank), kDoing));
  std::vector<std::int64_t> dims(rank);
  std::vector<const char*> symbols(rank);
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.GetDimensions(info, dims.data(), rank), kDoing));
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.GetSymbolicDimensions(info, symbols.data(), rank), kDoing));
  // ONNX Runtime counts types as ONNX does.
  const auto known = ElementTypeFromOnnx(type);
  value->type = known.ok() ? *known : ElementType::kUndefined;
  for (std::size_t i = 0; i < rank; ++i) {
    value->dims.push_back({dims[i], symbols[i] == nullptr ? "" : symbols[i]});
  }
  return absl::OkStatus();
}

absl::StatusOr<ValueSignature> OrtRunner::ReadValue(bool input, std::size_t index) const {
  constexpr char kDoing[] = "its inputs and outputs cannot be read";
  ValueSignature value;
  ort::Allocator* allocator = nullptr;  // the library's own, never released
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.GetAllocatorWithDefaultOptions(&allocator), kDoing));
  char* name = nullptr;
  ort::TypeInfo* made = nullptr;
  ONNXQUANT_RETURN_IF_ERROR(Check((input ? api_.SessionGetInputName : api_.SessionGetOutputName)(
                                      session_.get(), index, allocator, &name),
                                  kDoing));
  value.name = name;
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.AllocatorFree(allocator, name), kDoing));
  ONNXQUANT_RETURN_IF_ERROR(
      Check((input ? api_.SessionGetInputTypeInfo : api_.SessionGetOutputTypeInfo)(session_.get(),
                                                                                   index, &made),
            kDoing));
  const Handle<ort::TypeInfo> info(made, api_.ReleaseTypeInfo);
  const ort::TensorInfo* tensor = nullptr;  // belongs to `info`; null for other kinds of values
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.CastTypeInfoToTensorInfo(info.get(), &tensor), kDoing));
  if (tensor != nullptr) ONNXQUANT_RETURN_IF_ERROR(ReadShape(tensor, &value));
  return value;
}

absl::Status OrtRunner::ReadSignature() {
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  constexpr char kDoing[] = "its inputs and outputs cannot be counted";
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.SessionGetInputCount(session_.get(), &inputs), kDoing));
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.SessionGetOutputCount(session_.get(), &outputs), kDoing));
  for (std::size_t i = 0; i < inputs; ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(ValueSignature value, ReadValue(true, i));
    signature_.inputs.push_back(std::move(value));
  }
  for (std::size_t i = 0; i < outputs; ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(ValueSignature value, ReadValue(false, i));
    signature_.outputs.push_back(std::move(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<Handle<ort::Value>> OrtRunner::ToValue(const NamedTensor& input) const {
  const Tensor& tensor = input.tensor;
  static const std::uint64_t kNothing = 0;  // a tensor without elements still wants an address
  const void* data = &kNothing;
  if (!tensor.bytes().empty()) data = tensor.bytes().data();
  ort::Value* value = nullptr;
  // The library takes a pointer it could write through; it does not write to inputs.
  const absl::Status status =
      Check(api_.CreateTensorWithDataAsOrtValue(
                memory_.get(), const_cast<void*>(data), tensor.bytes().size(), tensor.dims().data(),
                tensor.dims().size(), static_cast<int>(tensor.type()), &value),
            absl::StrCat("input '", input.name, "' of ", NameOf(tensor.type()),
                         DimsText(tensor.dims()), " is refused")
                .c_str());
  ONNXQUANT_RETURN_IF_ERROR(status);
  return Handle<ort::Value>(value, api_.ReleaseValue);
}

absl::StatusOr<Tensor> OrtRunner::FromValue(const std::string& name, ort::Value* value) const {
  const std::string doing = absl::StrCat("output '", name, "' cannot be read");
  // The tensor's memory belongs to the value, and the value's code to the library.
  std::shared_ptr<const void> owner(
      value, [library = library_](ort::Value* held) { library->api().ReleaseValue(held); });
  int tensor = 0;
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.IsTensor(value, &tensor), doing.c_str()));
  if (tensor == 0) {
    return MakeError(ErrorKind::kVerify, absl::StrCat(path_, ": ", doing, ": it is no tensor"));
  }
  ort::TensorInfo* made = nullptr;
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.GetTensorTypeAndShape(value, &made), doing.c_str()));
  const Handle<ort::TensorInfo> info(made, api_.ReleaseTensorTypeAndShapeInfo);
  ValueSignature shape;
  ONNXQUANT_RETURN_IF_ERROR(ReadShape(info.get(), &shape));
  std::vector<std::int64_t> dims;
  for (const Dimension& dim : shape.dims) dims.push_back(dim.size);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes, PackedBytes(shape.type, dims));
  void* data = nullptr;
  ONNXQUANT_RETURN_IF_ERROR(Check(api_.GetTensorMutableData(value, &data), doing.c_str()));
  return Tensor(shape.type, std::move(dims), std::move(owner),
                {static_cast<const std::byte*>(data), bytes});
}

absl::StatusOr<std::vector<Tensor>> OrtRunner::Run(absl::Span<const NamedTensor> inputs,
                                                   absl::Span<const std::string> outputs) {
  std::vector<Handle<ort::Value>> held;
  std::vector<const ort::Value*> values;
  std::vector<const char*> names;
  for (const NamedTensor& input : inputs) {
    ONNXQUANT_ASSIGN_OR_RETURN(Handle<ort::Value> value, ToValue(input));
    values.push_back(value.get());
    names.push_back(input.name.c_str());
    held.push_back(std::move(value));
  }
  std::vector<const char*> wanted;
  for (const std::string& output : outputs) wanted.push_back(output.c_str());
  std::vector<ort::Value*> given(outputs.size(), nullptr);
  ONNXQUANT_RETURN_IF_ERROR(
      Check(api_.Run(session_.get(), nullptr, names.data(), values.data(), values.size(),
                     wanted.data(), wanted.size(), given.data()),
            "running it failed"));
  std::vector<Tensor> results;
  absl::Status status;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    absl::StatusOr<Tensor> tensor = FromValue(outputs[i], given[i]);  // takes the value in any case
    if (tensor.ok()) {
      results.push_back(*std::move(tensor));
    } else if (status.ok()) {
      status = tensor.status();
    }
  }
  if (!status.ok()) return status;
  return results;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Runner>> LoadWithOnnxRuntime(const ModelSource& source,
                                                            const RunnerOptions& options) {
  // The library would wait for a pipe, and read a device without end.
  if (source.bytes == nullptr) {
    ONNXQUANT_RETURN_IF_ERROR(InputFile::Open(source.path).status());
  }
  ONNXQUANT_ASSIGN_OR_RETURN(
      LibraryPtr library,
      ort::Library::Load(OnnxRuntimeCandidates(options.library, ShortName(options.provider))));
  return OrtRunner::Load(std::move(library), source, options);
}

}  // namespace onnxquant
