#include <algorithm>
#include <cstdint>
#include <vector>
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

constexpr int kMostSteps = 64;  // of preparing an image before its first weights

std::vector<std::int64_t> IntsOf(const Graph& graph, NodeId node, const char* name) {
  const onnx::AttributeProto* attribute = FindAttribute(*graph.node(node).proto, name);
  if (attribute == nullptr) return {};
  return {attribute->ints().begin(), attribute->ints().end()};
}

// Steps as wide as the kernel, so that every pixel is in one patch.
bool CutsPatches(const Graph& graph, NodeId conv) {
  const std::vector<std::int64_t> kernel = IntsOf(graph, conv, "kernel_shape");
  const std::vector<std::int64_t> pads = IntsOf(graph, conv, "pads");
  const bool padded =
      std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad != 0; });
  return kernel.size() > 1 && kernel.front() > 1 && !padded &&
         IntsOf(graph, conv, "strides") == kernel &&
         IntAttribute(*graph.node(conv).proto, "group", 1) == 1;
}

// Back to a graph input, past no weights.
bool ReadsGraphInput(const RoleFacts& facts, NodeId conv, VisitedNodes& visited) {
  const Graph& graph = facts.graph;
  const ValueId image = InputOf(graph, conv, 0);
  bool found = image != kNone && graph.value(image).graph_input;
  WalkBack(
      graph, image, visited,
      [&](NodeId node) {
        if (facts.weights.holds[node] || IsAnyOf(graph, node, {"Shape"})) return false;
        const ValueId first = InputOf(graph, node, 0);
        found = found || (first != kNone && graph.value(first).graph_input);
        return true;
      },
      kMostSteps);
  return found;
}

// The rows of pixels become a row of tokens before anything else with weights reads them.
bool BecomesTokens(const RoleFacts& facts, NodeId conv, VisitedNodes& visited) {
  const Graph& graph = facts.graph;
  bool reshaped = false;
  WalkForward(graph, OutputOf(graph, conv), visited, [&](NodeId node) {
    reshaped = reshaped || IsAnyOf(graph, node, {"Reshape", "Flatten", "Transpose"});
    return !reshaped && IsAnyOf(graph, node, {"Cast", "Identity", "Add"});
  });
  return reshaped;
}

}  // namespace

void FindPatchEmbeddings(const RoleFacts& facts, Roles& roles) {
  VisitedNodes visited(facts.graph);
  for (const NodeId id : facts.graph.order()) {
    if (!IsAnyOf(facts.graph, id, {"Conv"}) || !CutsPatches(facts.graph, id)) continue;
    if (!ReadsGraphInput(facts, id, visited) || !BecomesTokens(facts, id, visited)) continue;
    Refine(id, Role::kPatchEmbedding,
           "its steps are as wide as its kernel, and what it makes of a graph input becomes tokens",
           roles);
  }
}

}  // namespace onnxquant
