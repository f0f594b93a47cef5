#include "lib/statistics/fingerprint.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kStretches = 16;
constexpr std::uint64_t kStretch = 4096;

class Hash {
 public:
  void Add(absl::Span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      hash_ = (hash_ ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3U;
    }
  }
  void Add(std::uint64_t number) { Add(AsBytes(absl::Span<const std::uint64_t>(&number, 1))); }
  void Add(const std::string& text) {
    Add(text.size());
    Add(AsBytes(text));
  }
  std::string Text() const { return absl::StrCat(absl::Hex(hash_, absl::kZeroPad16)); }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

absl::Status AddBytes(const Model& model, const onnx::TensorProto& tensor, Hash& hash) {
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(tensor));
  hash.Add(bytes.size());
  if (bytes.size() <= kStretches * kStretch) {
    hash.Add(bytes);
    return absl::OkStatus();
  }
  const std::uint64_t step = (bytes.size() - kStretch) / (kStretches - 1);
  for (std::uint64_t i = 0; i < kStretches; ++i) hash.Add(bytes.subspan(i * step, kStretch));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FingerprintOf(const Model& model, const Graph& graph,
                                          const ObservedValues& targets) {
  Hash hash;
  for (const ObservedValue& target : targets.values) {
    hash.Add(target.name);
    hash.Add(static_cast<std::uint64_t>(target.size));
    for (const ValueId weight : target.weights) {
      const onnx::TensorProto* tensor = ConstantTensor(graph, weight);
      if (tensor == nullptr) continue;  // a constant spelt as a list: a matrix never is
      hash.Add(static_cast<std::uint64_t>(tensor->data_type()));
      for (const std::int64_t dim : tensor->dims()) hash.Add(static_cast<std::uint64_t>(dim));
      ONNXQUANT_RETURN_IF_ERROR(AddBytes(model, *tensor, hash));
    }
  }
  return IfUnchanged(model, absl::StatusOr<std::string>(hash.Text()));
}

absl::StatusOr<std::string> FingerprintOfFile(const std::string& path) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Model model, Model::Load(path));
  ONNXQUANT_ASSIGN_OR_RETURN(const Graph graph, Graph::Build(model.proto(), path));
  ONNXQUANT_ASSIGN_OR_RETURN(const ValueTypes types, InferTypes(graph, path));
  ONNXQUANT_ASSIGN_OR_RETURN(const ObservedValues targets, FindTargets(graph, types, path));
  return FingerprintOf(model, graph, targets);
}

}  // namespace onnxquant
