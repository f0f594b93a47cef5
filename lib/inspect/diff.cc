#include "lib/inspect/diff.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/graph/graph.h"
#include "lib/inspect/diff_words.h"
#include "lib/kernels/compare.h"
#include "lib/model/float_payload.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kSlice = 1 << 20;  // elements

struct Side {
  const Model& model;
  Analysis analysis;
  const Graph& graph() const { return analysis.graph; }
};

absl::StatusOr<Side> SideOf(const Model& model) {
  ONNXQUANT_ASSIGN_OR_RETURN(Analysis analysis, Analyze(model.proto(), model.path()));
  return Side{model, std::move(analysis)};
}

template <typename Map>
std::vector<std::string> KeysOnlyIn(const Map& a, const Map& b) {
  std::vector<std::string> keys;
  for (const auto& [key, unused] : a) {
    if (b.count(key) == 0) keys.push_back(key);
  }
  return keys;
}

std::map<std::string, int> CountOps(const Graph& graph) {
  std::map<std::string, int> counts;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id)
    ++counts[graph.OpName(id)];
  return counts;
}

// Bodies may have values of one name each.
std::map<std::string, ValueId> NamedValues(const Graph& graph, bool weights) {
  std::map<std::string, ValueId> values;
  Numbered names;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
    const Value& value = graph.value(id);
    const bool weight = value.initializer != nullptr || value.sparse_initializer != nullptr;
    if (weight == weights) values.emplace(names.Next(value.name), id);
  }
  return values;
}

std::string Describe(const onnx::TensorProto& tensor) {
  return absl::StrCat(NameOf(static_cast<ElementType>(tensor.data_type())), " [",
                      absl::StrJoin(tensor.dims(), ", "), "]");
}

bool IsComparableFloat(const onnx::TensorProto& tensor) {
  return IsFloat(static_cast<ElementType>(tensor.data_type()));
}

std::uint64_t BytesPerElement(const onnx::TensorProto& tensor) {
  return static_cast<std::uint64_t>(BitsOf(static_cast<ElementType>(tensor.data_type()))) / 8;
}

absl::StatusOr<kernels::Distortion> Measure(const Side& a, const onnx::TensorProto& first,
                                            const Side& b, const onnx::TensorProto& second) {
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> a_bytes, a.model.Bytes(first));
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> b_bytes, b.model.Bytes(second));
  kernels::Distortion distortion;
  const std::uint64_t elements = a_bytes.size() / BytesPerElement(first);
  for (std::uint64_t at = 0; at < elements; at += kSlice) {
    const std::uint64_t count = std::min(kSlice, elements - at);
    const auto slice = [at, count](const onnx::TensorProto& tensor,
                                   absl::Span<const std::byte> bytes) {
      const std::uint64_t size = BytesPerElement(tensor);
      return FloatsOfPayload(bytes.subspan(at * size, count * size),
                             static_cast<ElementType>(tensor.data_type()));
    };
    distortion.Add(slice(first, a_bytes), slice(second, b_bytes));
  }
  return distortion;
}

absl::StatusOr<bool> HoldTheSame(const Side& a, const onnx::TensorProto& first, const Side& b,
                                 const onnx::TensorProto& second) {
  if (first.data_type() == onnx::TensorProto::STRING) {
    return std::equal(first.string_data().begin(), first.string_data().end(),
                      second.string_data().begin(), second.string_data().end());
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const auto a_bytes, a.model.Bytes(first));
  ONNXQUANT_ASSIGN_OR_RETURN(const auto b_bytes, b.model.Bytes(second));
  return std::equal(a_bytes.begin(), a_bytes.end(), b_bytes.begin(), b_bytes.end());
}

std::string Describe(const Value& value) {
  if (value.initializer != nullptr) return Describe(*value.initializer);
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it has one of the two
  const onnx::SparseTensorProto& sparse = *value.sparse_initializer;
  return absl::StrCat("sparse ", NameOf(static_cast<ElementType>(sparse.values().data_type())),
                      " [", absl::StrJoin(sparse.dims(), ", "), "]");
}

// Of which at least one is sparse.
void DiffSparse(const std::string& name, const Value& one, const Value& two, ModelDiff& diff) {
  const bool both = one.sparse_initializer != nullptr && two.sparse_initializer != nullptr;
  if (both &&
      one.sparse_initializer->SerializeAsString() == two.sparse_initializer->SerializeAsString()) {
    ++diff.equal_weights;
    return;
  }
  diff.weights.push_back({name, Describe(one), Describe(two)});
}

absl::Status DiffWeights(const Side& a, const Side& b, ModelDiff& diff) {
  const auto first = NamedValues(a.graph(), true);
  const auto second = NamedValues(b.graph(), true);
  diff.only_first_weights = KeysOnlyIn(first, second);
  diff.only_second_weights = KeysOnlyIn(second, first);
  for (const auto& [name, id] : first) {
    const auto other = second.find(name);
    if (other == second.end()) continue;
    const Value& value = a.graph().value(id);
    const Value& other_value = b.graph().value(other->second);
    if (value.initializer == nullptr || other_value.initializer == nullptr) {
      DiffSparse(name, value, other_value, diff);
      continue;
    }
    const onnx::TensorProto& one = *value.initializer;
    const onnx::TensorProto& two = *other_value.initializer;
    WeightDifference row{name, Describe(one), Describe(two)};
    const bool same_shape =
        std::equal(one.dims().begin(), one.dims().end(), two.dims().begin(), two.dims().end());
    if (same_shape && IsComparableFloat(one) && IsComparableFloat(two)) {
      ONNXQUANT_ASSIGN_OR_RETURN(const kernels::Distortion measured, Measure(a, one, b, two));
      row.measured = true;
      row.differing = measured.differing();
      row.max_abs = measured.max_abs();
      row.sqnr_db = measured.sqnr_db();
      row.cosine = measured.cosine();
      row.scale = measured.scale();
      if (row.first == row.second && row.differing == 0) {
        ++diff.equal_weights;
        continue;
      }
    } else if (row.first == row.second) {
      ONNXQUANT_ASSIGN_OR_RETURN(const bool same, HoldTheSame(a, one, b, two));
      if (same) {
        ++diff.equal_weights;
        continue;
      }
    }
    diff.weights.push_back(std::move(row));
  }
  return absl::OkStatus();
}

using Opsets = std::map<std::string, std::string>;  // versions by domain
Opsets OpsetsOf(const onnx::ModelProto& model) {
  Opsets opsets;
  for (const auto& import : model.opset_import()) {
    opsets.emplace(IsOnnxDomain(import.domain()) ? "ai.onnx" : import.domain(),
                   absl::StrCat(import.version()));
  }
  return opsets;
}

std::vector<std::string> DiffOpsets(const Opsets& first, const Opsets& second) {
  std::vector<std::string> differences;
  Opsets all = first;
  all.insert(second.begin(), second.end());
  for (const auto& entry : all) {  // no structured binding: clang 14 captures none
    const auto version = [&entry](const Opsets& opsets) {
      const auto found = opsets.find(entry.first);
      return found == opsets.end() ? "none" : found->second;
    };
    if (version(first) == version(second)) continue;
    differences.push_back(
        absl::StrCat(entry.first, ": ", version(first), " and ", version(second)));
  }
  return differences;
}

void DiffStructure(const Side& a, const Side& b, ModelDiff& diff) {
  const auto first_ops = CountOps(a.graph());
  const auto second_ops = CountOps(b.graph());
  std::set<std::string> ops;
  for (const auto& [op, unused] : first_ops) ops.insert(op);
  for (const auto& [op, unused] : second_ops) ops.insert(op);
  for (const std::string& op : ops) {
    const auto count = [&op](const std::map<std::string, int>& counts) {
      const auto it = counts.find(op);
      return it == counts.end() ? 0 : it->second;
    };
    if (count(first_ops) != count(second_ops)) {
      diff.ops.push_back({op, count(first_ops), count(second_ops)});
    }
  }
  const NodesByKey first_nodes = NodesOf(a.graph());
  const NodesByKey second_nodes = NodesOf(b.graph());
  diff.only_first_nodes = KeysOnlyIn(first_nodes, second_nodes);
  diff.only_second_nodes = KeysOnlyIn(second_nodes, first_nodes);
  diff.nodes = DiffNodes(first_nodes, second_nodes);
  diff.interface = DiffInterfaces(a.model.proto().graph(), b.model.proto().graph());
  diff.shapes = DiffShapes(a.model.proto().graph(), b.model.proto().graph());
  diff.functions = DiffFunctions(a.model.proto(), b.model.proto());
  const auto second_values = NamedValues(b.graph(), false);
  for (const auto& [name, id] : NamedValues(a.graph(), false)) {
    const auto other = second_values.find(name);
    if (other == second_values.end()) continue;
    const ElementType one = a.analysis.types[id];
    const ElementType two = b.analysis.types[other->second];
    if (one != two) diff.types.push_back({name, NameOf(one), NameOf(two)});
  }
  const auto ir_version = a.model.proto().ir_version();
  const auto other_ir_version = b.model.proto().ir_version();
  if (ir_version != other_ir_version) {
    diff.ir_version = absl::StrCat(ir_version, " and ", other_ir_version);
  }
  diff.opsets = DiffOpsets(OpsetsOf(a.model.proto()), OpsetsOf(b.model.proto()));
}

absl::StatusOr<ModelDiff> DiffLoaded(const Model& first, const Model& second) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Side a, SideOf(first));
  ONNXQUANT_ASSIGN_OR_RETURN(const Side b, SideOf(second));
  ModelDiff diff;
  DiffStructure(a, b, diff);
  ONNXQUANT_RETURN_IF_ERROR(DiffWeights(a, b, diff));
  ONNXQUANT_ASSIGN_OR_RETURN(diff.first_bytes, MeasureGraphBytes(first));
  ONNXQUANT_ASSIGN_OR_RETURN(diff.second_bytes, MeasureGraphBytes(second));
  diff.summary = DiffWords(a.analysis, b.analysis, diff);
  return diff;
}

}  // namespace

absl::StatusOr<ModelDiff> DiffModels(const std::string& first, const std::string& second) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Model a, Model::Load(first));
  ONNXQUANT_ASSIGN_OR_RETURN(const Model b, Model::Load(second));
  return DiffModels(a, b);
}

absl::StatusOr<ModelDiff> DiffModels(const Model& first, const Model& second) {
  return IfUnchanged(first, IfUnchanged(second, DiffLoaded(first, second)));
}

}  // namespace onnxquant
