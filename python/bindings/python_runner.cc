#include "python/bindings/python_runner.h"

#include <pybind11/stl.h>

#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/runtime/ort_runner.h"

namespace onnxquant::python {
namespace {

namespace fs = std::filesystem;
namespace py = pybind11;

// A Python object that may be let go of on any thread.
std::shared_ptr<py::object> Shared(py::object object) {
  return std::shared_ptr<py::object>(new py::object(std::move(object)), [](py::object* held) {
    const py::gil_scoped_acquire acquire;
    delete held;  // NOLINT(cppcoreguidelines-owning-memory): a shared_ptr's deleter
  });
}

ErrorKind KindOfException(const py::error_already_set& error) {
  const py::module_ errors = py::module_::import("onnxquant.errors");
  const std::pair<const char*, ErrorKind> kinds[] = {{"UsageError", ErrorKind::kUsage},
                                                     {"ModelError", ErrorKind::kModel},
                                                     {"CancelledError", ErrorKind::kCancelled}};
  for (const auto& [name, kind] : kinds) {
    if (error.matches(errors.attr(name))) return kind;
  }
  return ErrorKind::kVerify;
}

absl::Status StatusOf(const std::string& path, const py::error_already_set& error) {
  const std::string text = py::str(error.value());
  return MakeError(KindOfException(error), absl::StrCat(path, ": ", text));
}

std::vector<ValueSignature> ReadValues(const py::handle& values) {
  std::vector<ValueSignature> read;
  for (const py::handle& row : values) {
    ValueSignature value;
    const auto [name, type, dims] = row.cast<std::tuple<std::string, std::string, py::list>>();
    value.name = name;
    value.type = ElementTypeFromName(type).value_or(ElementType::kUndefined);
    for (const py::handle& dim : dims) {
      if (py::isinstance<py::int_>(dim)) {
        value.dims.push_back({dim.cast<std::int64_t>(), ""});
      } else {
        value.dims.push_back({-1, dim.is_none() ? "" : dim.cast<std::string>()});
      }
    }
    read.push_back(std::move(value));
  }
  return read;
}

Tensor ReadTensor(const py::handle& row) {
  const auto [type, dims, buffer] =
      row.cast<std::tuple<std::string, std::vector<std::int64_t>, py::buffer>>();
  struct Held {
    explicit Held(const py::buffer& buffer) : info(buffer.request()) {}
    py::buffer_info info;
  };
  const std::shared_ptr<Held> held(new Held(buffer), [](Held* one) {
    const py::gil_scoped_acquire acquire;
    delete one;  // NOLINT(cppcoreguidelines-owning-memory): a shared_ptr's deleter
  });
  const absl::Span<const std::byte> bytes(
      static_cast<const std::byte*>(held->info.ptr),
      static_cast<std::size_t>(held->info.size) * static_cast<std::size_t>(held->info.itemsize));
  return Tensor(ElementTypeFromName(type).value_or(ElementType::kUndefined), dims, held, bytes);
}

py::tuple WriteTensor(const NamedTensor& input) {
  const Tensor& tensor = input.tensor;
  const py::memoryview bytes =
      py::memoryview::from_memory(static_cast<const void*>(tensor.bytes().data()),
                                  static_cast<py::ssize_t>(tensor.bytes().size()));
  return py::make_tuple(input.name, NameOf(tensor.type()), tensor.dims(), bytes);
}

class PythonRunner : public Runner {
 public:
  // With the interpreter's lock.
  PythonRunner(std::string path, py::object session)
      : path_(std::move(path)), session_(Shared(std::move(session))) {
    signature_.inputs = ReadValues(session_->attr("inputs"));
    signature_.outputs = ReadValues(session_->attr("outputs"));
  }

  const Signature& signature() const override { return signature_; }

  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    const py::gil_scoped_acquire acquire;
    try {
      py::list given;
      for (const NamedTensor& input : inputs) given.append(WriteTensor(input));
      const std::vector<std::string> names(outputs.begin(), outputs.end());
      const py::list results = session_->attr("run")(given, names);
      std::vector<Tensor> tensors;
      for (const py::handle& result : results) tensors.push_back(ReadTensor(result));
      return tensors;
    } catch (const py::error_already_set& error) {
      return StatusOf(path_, error);
    }
  }

 private:
  std::string path_;
  std::shared_ptr<py::object> session_;
  Signature signature_;
};

const char* NameOf(RunnerOptions::Optimization optimization) {
  switch (optimization) {
    case RunnerOptions::Optimization::kNone:
      return "none";
    case RunnerOptions::Optimization::kBasic:
      return "basic";
    case RunnerOptions::Optimization::kAll:
      break;
  }
  return "all";
}

}  // namespace

RunnerFactory PythonRunnerFactory(py::function load) {
  const std::shared_ptr<py::object> shared = Shared(std::move(load));
  return [shared](const ModelSource& source,
                  const RunnerOptions& options) -> absl::StatusOr<std::unique_ptr<Runner>> {
    if (!options.library.empty()) return LoadWithOnnxRuntime(source, options);
    const py::gil_scoped_acquire acquire;
    try {
      py::object bytes = py::none();
      if (source.bytes != nullptr) bytes = py::bytes(*source.bytes);
      const std::string place =
          source.folder.empty()
              ? source.path
              : (fs::path(source.folder) / fs::path(source.path).filename()).string();
      py::object session = (*shared)(place, bytes, options.provider, NameOf(options.optimization),
                                     options.threads, options.log_level);
      return std::make_unique<PythonRunner>(source.path, std::move(session));
    } catch (const py::error_already_set& error) {
      return StatusOf(source.path, error);
    }
  };
}

}  // namespace onnxquant::python
