// For programs that hold an onnx::ModelProto. Apart from the other headers, since it needs onnx's:
// whichever onnx the program itself uses.
//
//   onnxquant::BorrowedModel borrowed(proto, "out/model.onnx");
//   auto plan = onnxquant::MakePlan(borrowed.model(), options);
#ifndef ONNXQUANT_ONNX_MODEL_H_
#define ONNXQUANT_ONNX_MODEL_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "onnx/onnx_pb.h"
#include "onnxquant/model_in_memory.h"

namespace onnxquant {

// A ModelProto as MakePlan takes it. Its large weights are not copied: it must stay as it is as
// long as this and every plan made of it are there.
class BorrowedModel {
 public:
  // path: where the model would lie (ModelInMemory::path). During this call the model's weights are
  // elsewhere; afterwards it is as it was. A model of more than 2 GB without its initializers'
  // raw_data cannot be serialized: ok() is false then.
  explicit BorrowedModel(onnx::ModelProto& proto, std::string path = "model.onnx") {
    memory_.path = std::move(path);
    auto& initializers = *proto.mutable_graph()->mutable_initializer();
    std::vector<std::string> payloads(static_cast<std::size_t>(initializers.size()));
    for (int i = 0; i < initializers.size(); ++i) {
      onnx::TensorProto& tensor = *initializers.Mutable(i);
      // Small ones stay: they may say shapes.
      if (tensor.raw_data().size() < kLarge) continue;
      payloads[static_cast<std::size_t>(i)].swap(*tensor.mutable_raw_data());
      tensor.clear_raw_data();
    }
    onnx::ModelProto structure = proto;
    for (int i = 0; i < initializers.size(); ++i) {
      std::string& payload = payloads[static_cast<std::size_t>(i)];
      if (payload.empty()) continue;
      std::string& home = *initializers.Mutable(i)->mutable_raw_data();
      home.swap(payload);
      onnx::TensorProto& stub = *structure.mutable_graph()->mutable_initializer(i);
      stub.set_data_location(onnx::TensorProto::EXTERNAL);
      Say(stub, "location", kInMemory);
      Say(stub, "offset", std::to_string(memory_.tensors.size()));
      memory_.tensors.emplace_back(reinterpret_cast<const std::byte*>(home.data()), home.size());
    }
    ok_ = structure.SerializeToString(&structure_);
    memory_.model = {reinterpret_cast<const std::byte*>(structure_.data()), structure_.size()};
  }
  BorrowedModel(const BorrowedModel&) = delete;
  BorrowedModel& operator=(const BorrowedModel&) = delete;

  bool ok() const { return ok_; }
  const ModelInMemory& model() const { return memory_; }

 private:
  static constexpr std::size_t kLarge = 4096;

  static void Say(onnx::TensorProto& tensor, const char* key, const std::string& value) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }

  ModelInMemory memory_;
  std::string structure_;
  bool ok_ = false;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_ONNX_MODEL_H_
