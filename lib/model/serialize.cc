#include "lib/model/serialize.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "lib/base/error.h"

namespace onnxquant {

absl::Status SerializeModel(const onnx::ModelProto& model, std::string* out) {
  constexpr std::size_t kLargest = 2'147'483'647;
  const std::size_t size = model.ByteSizeLong();
  if (size > kLargest) {
    return ModelError("the model takes ", size,
                      " bytes without its external data; one ONNX file holds at most ", kLargest);
  }
  out->clear();
  out->reserve(size);
  google::protobuf::io::StringOutputStream stream(out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  if (!model.SerializeToCodedStream(&coded)) return InternalError("the model cannot be serialized");
  return absl::OkStatus();
}

}  // namespace onnxquant
