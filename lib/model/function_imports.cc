#include "lib/model/function_imports.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "lib/schema/domain.h"

namespace onnxquant {
namespace {

std::string Spelled(const std::string& domain) {
  return IsOnnxDomain(domain) ? "" : domain;
}

// The domains of the graph's nodes, bodies included.
void CollectDomains(const onnx::GraphProto& graph, absl::flat_hash_set<std::string>& domains) {
  for (const onnx::NodeProto& node : graph.node()) {
    domains.insert(Spelled(node.domain()));
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) CollectDomains(attribute.g(), domains);
      for (const onnx::GraphProto& body : attribute.graphs()) CollectDomains(body, domains);
    }
  }
}

}  // namespace

void ImportOpsetsOfFunctions(onnx::ModelProto& model) {
  const int own = model.opset_import_size();
  for (const onnx::FunctionProto& function : model.functions()) {
    for (const onnx::OperatorSetIdProto& needed : function.opset_import()) {
      int found = -1;
      for (int i = 0; i < model.opset_import_size() && found < 0; ++i) {
        if (Spelled(model.opset_import(i).domain()) == Spelled(needed.domain())) found = i;
      }
      if (found < 0) {
        onnx::OperatorSetIdProto& added = *model.add_opset_import();
        added.set_domain(Spelled(needed.domain()));
        added.set_version(needed.version());
      } else if (found >= own) {
        onnx::OperatorSetIdProto& added = *model.mutable_opset_import(found);
        added.set_version(std::max(added.version(), needed.version()));
      }
    }
  }
}

void DropUnusedImports(onnx::ModelProto& model, int first) {
  if (first == model.opset_import_size()) return;
  absl::flat_hash_set<std::string> needed;
  CollectDomains(model.graph(), needed);
  for (int i = model.opset_import_size() - 1; i >= first; --i) {
    if (!needed.contains(Spelled(model.opset_import(i).domain()))) {
      model.mutable_opset_import()->DeleteSubrange(i, 1);
    }
  }
}

}  // namespace onnxquant
