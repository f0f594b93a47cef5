// Taking payloads out before parsing must come to what protobuf reads from the whole.
#include <string>

#include "fuzz/model_input.h"
#include "fuzz/require.h"
#include "lib/model/strip_payloads.h"
#include "onnx/onnx_pb.h"

namespace onnxquant::fuzz {
namespace {

// The payload that the stripped tensor refers to; what it holds itself where it refers to none.
std::string PayloadOf(const onnx::TensorProto& stripped, absl::Span<const std::byte> file) {
  std::string location;
  std::size_t offset = 0;
  std::size_t length = 0;
  // What was there before stands first.
  for (const auto& entry : stripped.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (location != kInlineLocation) continue;
    if (entry.key() == "offset") offset = std::stoull(entry.value());
    if (entry.key() == "length") length = std::stoull(entry.value());
  }
  if (location != kInlineLocation) return stripped.raw_data();
  Require(offset <= file.size() && length <= file.size() - offset, "a payload inside the file");
  return {reinterpret_cast<const char*>(file.data()) + offset, length};
}

bool RefersInline(const onnx::ModelProto& model) {
  for (const auto& tensor : model.graph().initializer()) {
    for (const auto& entry : tensor.external_data()) {
      if (entry.value() == kInlineLocation) return true;
    }
  }
  return false;
}

void Compare(const onnx::ModelProto& whole, onnx::ModelProto& stripped,
             absl::Span<const std::byte> file) {
  Require(whole.graph().initializer_size() == stripped.graph().initializer_size(),
          "as many initializers");
  onnx::ModelProto rest = whole;
  for (int i = 0; i < whole.graph().initializer_size(); ++i) {
    auto& tensor = *stripped.mutable_graph()->mutable_initializer(i);
    Require(PayloadOf(tensor, file) == whole.graph().initializer(i).raw_data(),
            "initializer " + std::to_string(i) + " to have the same payload");
    auto& other = *rest.mutable_graph()->mutable_initializer(i);
    for (auto* either : {&tensor, &other}) {
      either->clear_raw_data();
      either->clear_external_data();
      either->clear_data_location();
    }
  }
  Require(rest.SerializeAsString() == stripped.SerializeAsString(), "the same structure");
}

}  // namespace
}  // namespace onnxquant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  const ModelInput input = SplitModelInput(data, size);
  const auto slim = onnxquant::StripPayloads(input.model);
  RequireToldWell(slim.status());
  onnx::ModelProto whole;
  const bool parses =
      whole.ParseFromArray(input.model.data(), static_cast<int>(input.model.size()));
  // Groups are part of the wire format, and of no ONNX file.
  if (!slim.ok() || !parses || RefersInline(whole)) return 0;
  onnx::ModelProto stripped;
  Require(stripped.ParseFromString(*slim), "what protobuf reads whole to be read stripped");
  Compare(whole, stripped, input.model);
  return 0;
}
