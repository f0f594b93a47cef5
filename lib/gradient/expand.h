// Fused operators as the simple ones that they stand for: these have rules (rules.h).
#ifndef ONNXQUANT_LIB_GRADIENT_EXPAND_H_
#define ONNXQUANT_LIB_GRADIENT_EXPAND_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/gradient/emitter.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// A node that is to be written in other words.
struct FusedNode {
  Emitter& emit;
  const Graph& graph;
  NodeId id;
  const onnx::NodeProto& node;

  const std::string& in(int i) const { return node.input(i); }
  bool has(int i) const { return i < node.input_size() && !node.input(i).empty(); }
  const std::string& out(int i = 0) const { return node.output(i); }
  // Whether another node reads it.
  bool IsRead(int output) const;
  std::int64_t Int(const char* attribute, std::int64_t fallback) const {
    return IntAttribute(node, attribute, fallback);
  }
  float Float(const char* attribute, float fallback) const;
  // Dimensions of an input, also of what Reshape gives it; -1 where nothing says.
  int Rank(int input) const;
  // Of a constant; nothing for others.
  std::optional<std::vector<std::int64_t>> ShapeOf(int input) const;
};

struct Expansion {
  absl::string_view op;  // "Gelu", "com.microsoft::FastGelu"
  // Writes nodes that give the node's outputs, those of caches aside. "" or why it cannot: a
  // clause.
  std::string (*write)(FusedNode& node) = nullptr;
};

// The row for the operator, or null: it is simple, or unknown.
const Expansion* FindExpansion(absl::string_view op);

// A table each, for the files that hold them.
absl::Span<const Expansion> ActivationExpansions();
absl::Span<const Expansion> NormExpansions();
absl::Span<const Expansion> RotaryExpansions();
absl::Span<const Expansion> AttentionExpansions();

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRADIENT_EXPAND_H_
