#include "lib/convert/growth.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/model/element_type.h"
#include "lib/model/tensor_check.h"

namespace onnxquant {
namespace {

// What is counted, and the largest part of it.
struct Count {
  std::uint64_t bytes = 0;
  std::uint64_t tensors = 0;
  std::uint64_t most = 0;
  std::string place;

  void Add(std::uint64_t more, const std::string& where) {
    bytes = more > UINT64_MAX - bytes ? UINT64_MAX : bytes + more;
    ++tensors;
    if (more <= most) return;
    most = more;
    place = where;
  }
};

absl::Status Check(const Count& count, const std::string& what, const GrowthBound& bound) {
  const double allowed = bound.factor * static_cast<double>(bound.input_bytes);
  if (count.bytes <= limits::kSmallOutput || static_cast<double>(count.bytes) <= allowed) {
    return absl::OkStatus();
  }
  return ModelError(what, " would take ", count.bytes, " bytes for ", count.tensors,
                    " tensors (the largest: ", count.place, ", ", count.most, " bytes), more than ",
                    bound.factor, " times the input's ", bound.input_bytes,
                    ": its tensors share their data; if that is meant, raise --max-growth");
}

}  // namespace

absl::Status CheckEmbedded(const Model& model, const GrowthBound& bound) {
  Count count;
  const auto& main = model.proto().graph().initializer();
  const onnx::TensorProto* const* first = main.data();
  std::size_t of_main = static_cast<std::size_t>(main.size());
  ONNXQUANT_RETURN_IF_ERROR(
      VisitTensors(model.proto(), [&](const onnx::TensorProto& tensor, const std::string& place) {
        if (of_main > 0 && &tensor == *first) {  // they come first, in order
          ++first;
          --of_main;
          return absl::OkStatus();
        }
        if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return absl::OkStatus();
        const auto bytes =
            PackedBytes(static_cast<ElementType>(tensor.data_type()),
                        {tensor.dims().data(), static_cast<std::size_t>(tensor.dims_size())});
        if (bytes.ok()) count.Add(*bytes, place);
        return absl::OkStatus();
      }));
  return Check(count, absl::StrCat(model.path(), ": constants in nodes and bodies"), bound);
}

absl::Status CheckGrowth(const Rewritten& rewritten, const std::string& what,
                         const GrowthBound& bound) {
  Count count;
  std::size_t largest = 0;
  for (std::size_t i = 0; i < rewritten.bytes.size(); ++i) {
    if (rewritten.same_as[i] >= 0) continue;
    count.Add(rewritten.bytes[i], "");
    if (rewritten.bytes[i] > rewritten.bytes[largest]) largest = i;
  }
  if (count.tensors > 0) {
    count.place =
        absl::StrCat("initializer '",
                     rewritten.model.graph().initializer(static_cast<int>(largest)).name(), "'");
  }
  return Check(count, what, bound);
}

}  // namespace onnxquant
