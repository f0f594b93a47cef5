// A model as Python hands it over.
#ifndef ONNXQUANT_PYTHON_BINDINGS_MODEL_ARGUMENT_H_
#define ONNXQUANT_PYTHON_BINDINGS_MODEL_ARGUMENT_H_

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "onnxquant/model_in_memory.h"

namespace onnxquant::python {

// A file, or the model's serialized structure with its weights as buffers (anything with Python's
// buffer protocol), which are read where they lie. Keep it as long as what was made of it.
class ModelArgument {
 public:
  // `model`: None for a file at `path`.
  ModelArgument(std::string path, const pybind11::object& model,
                const std::vector<pybind11::buffer>& tensors);

  bool in_memory() const { return in_memory_; }
  const ModelInMemory& memory() const { return memory_; }
  const std::string& path() const { return memory_.path; }

 private:
  absl::Span<const std::byte> Borrow(const pybind11::buffer& buffer);

  bool in_memory_ = false;
  std::vector<pybind11::buffer_info> buffers_;  // hold what memory_ points to
  ModelInMemory memory_;
};

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_MODEL_ARGUMENT_H_
