#include "python/bindings/model_argument.h"

#include <utility>

namespace onnxquant::python {

namespace py = pybind11;

ModelArgument::ModelArgument(std::string path, const py::object& model,
                             const std::vector<py::buffer>& tensors) {
  memory_.path = std::move(path);
  if (model.is_none()) return;
  in_memory_ = true;
  memory_.model = Borrow(model.cast<py::buffer>());
  for (const py::buffer& tensor : tensors) memory_.tensors.push_back(Borrow(tensor));
}

absl::Span<const std::byte> ModelArgument::Borrow(const py::buffer& buffer) {
  py::buffer_info info = buffer.request();
  py::ssize_t expected = info.itemsize;
  for (py::ssize_t i = info.ndim - 1; i >= 0; --i) {
    if (info.shape[static_cast<std::size_t>(i)] > 1 &&
        info.strides[static_cast<std::size_t>(i)] != expected) {
      throw py::value_error("a buffer must be contiguous, the last dimension first");
    }
    expected *= info.shape[static_cast<std::size_t>(i)];
  }
  const absl::Span<const std::byte> bytes(static_cast<const std::byte*>(info.ptr),
                                          static_cast<std::size_t>(info.size * info.itemsize));
  buffers_.push_back(std::move(info));
  return bytes;
}

}  // namespace onnxquant::python
