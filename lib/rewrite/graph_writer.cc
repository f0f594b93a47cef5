#include "lib/rewrite/graph_writer.h"

#include <memory>
#include <utility>

#include "lib/base/as_bytes.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kBitsPerByte = 8;

// The first IR version whose tensors may be of the type.
std::int64_t FirstIrOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat8E4M3FN:
    case ElementType::kFloat8E5M2:
      return 9;
    case ElementType::kInt4:
    case ElementType::kUint4:
      return 10;
    case ElementType::kInt2:
    case ElementType::kUint2:
      return 13;
    default:
      return 0;
  }
}

}  // namespace

GraphWriter::GraphWriter(Rewritten result, TakenNames taken, int sealed_at_once)
    : result_(std::move(result)), taken_(std::move(taken)), sealed_at_once_(sealed_at_once) {
  Open(kMainScope, *result_.model.mutable_graph());
}

void GraphWriter::RequireOpset(const char* domain, int version) {
  if (OpsetOf(result_.model, domain) > 0) return;
  onnx::OperatorSetIdProto* import = result_.model.add_opset_import();
  import->set_domain(domain);
  import->set_version(version);
}

std::string GraphWriter::Once(const std::string& key, const std::function<std::string()>& make,
                              Look look) {
  if (const std::string* found = made_.Find(open_, key, look); found != nullptr) return *found;
  std::string made = make();
  made_.Add(open_.back(), key, made);
  return made;
}

int GraphWriter::AddInitializer(const std::string& name, ElementType type,
                                absl::Span<const std::int64_t> dims, bool keep_inline) {
  onnx::GraphProto& main = *graphs_.front();
  onnx::TensorProto* tensor = main.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(static_cast<int>(type));
  std::uint64_t bits = static_cast<std::uint64_t>(BitsOf(type));
  for (const std::int64_t dim : dims) {
    tensor->add_dims(dim);
    bits *= static_cast<std::uint64_t>(dim);
  }
  result_.bytes.push_back((bits + kBitsPerByte - 1) / kBitsPerByte);
  result_.keep_inline.push_back(keep_inline);
  if (FirstIrOf(type) > result_.model.ir_version()) result_.model.set_ir_version(FirstIrOf(type));
  return main.initializer_size() - 1;
}

void GraphWriter::AddStrings(onnx::TensorProto tensor) {
  result_.bytes.push_back(0);
  result_.keep_inline.push_back(true);
  *graphs_.front()->add_initializer() = std::move(tensor);
}

void GraphWriter::AddNumbers(const std::string& name, absl::Span<const std::int64_t> dims,
                             absl::Span<const float> numbers) {
  auto tensor = std::make_unique<onnx::TensorProto>();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  tensor->mutable_dims()->Add(dims.begin(), dims.end());
  const absl::Span<const std::byte> bytes = AsBytes(numbers);
  tensor->set_raw_data(bytes.data(), bytes.size());
  FillJob job;
  job.source = tensor.get();
  job.targets = {AddInitializer(name, ElementType::kFloat, dims)};
  AddJob(std::move(job));
  result_.made.push_back(std::move(tensor));
}

void GraphWriter::Open(ScopeId scope, onnx::GraphProto& body) {
  open_.push_back(scope);
  graphs_.push_back(&body);
}

void GraphWriter::Close() {
  open_.pop_back();
  graphs_.pop_back();
}

void GraphWriter::SealIfMany() {
  onnx::GraphProto& main = *graphs_.front();
  if (open_.size() == 1 && main.node_size() >= sealed_at_once_) sealed_.Take(main);
}

GraphWriter::Written GraphWriter::Finish() && {
  taken_ = {};
  return {std::move(result_), std::move(sealed_)};
}

}  // namespace onnxquant
