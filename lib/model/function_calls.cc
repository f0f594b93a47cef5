#include "lib/model/function_calls.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

namespace onnxquant {
namespace {

// Far above every bound, and small enough that products of two counts do not overflow.
constexpr std::uint64_t kVeryMany = std::uint64_t{1} << 31;

std::uint64_t Plus(std::uint64_t a, std::uint64_t b) {
  return std::min(a + b, kVeryMany);
}
std::uint64_t Times(std::uint64_t a, std::uint64_t b) {
  return std::min(std::min(a, kVeryMany) * std::min(b, kVeryMany), kVeryMany);
}

// What a call puts in its place.
struct Extent {
  std::uint64_t nodes = 0;
  std::uint64_t bytes = 0;       // serialized
  std::uint64_t parameters = 0;  // places where an attribute of the call is put in
  int bodies = 0;                // nested in one another
  int calls = 0;                 // that lead from one function to the next
};

struct Call {
  int function = 0;
  int level = 0;                 // bodies around it
  std::uint64_t bytes = 0;       // of its attributes
  std::uint64_t parameters = 0;  // attributes that are its own function's
};

struct Function {
  const onnx::FunctionProto* proto = nullptr;  // null: the main graph
  std::vector<Call> calls;
  Extent extent;
  enum class State { kNew, kOpen, kDone } state = State::kNew;
  std::size_t next = 0;  // of `calls`, while it is open
};

class Calls {
 public:
  explicit Calls(const onnx::ModelProto& model) : functions_(1) {
    for (const onnx::FunctionProto& proto : model.functions()) {
      // Overloads of one name count together: which of them a call means does not matter here.
      const auto [it, added] = ids_.try_emplace(
          std::pair(absl::string_view(proto.domain()), absl::string_view(proto.name())),
          static_cast<int>(functions_.size()));
      if (!added) continue;
      functions_.emplace_back();
      functions_.back().proto = &proto;
    }
    for (const onnx::NodeProto& node : model.graph().node()) Read(functions_[0], node, 0);
    for (const onnx::FunctionProto& proto : model.functions()) {
      Function& function = functions_[static_cast<std::size_t>(
          ids_.at({absl::string_view(proto.domain()), absl::string_view(proto.name())}))];
      for (const onnx::NodeProto& node : proto.node()) Read(function, node, 0);
      for (const onnx::AttributeProto& fallback : proto.attribute_proto()) {
        function.extent.bytes =
            Plus(function.extent.bytes, Times(fallback.ByteSizeLong(), function.extent.parameters));
      }
    }
  }

  absl::Status Check(const std::string& origin) {
    std::uint64_t own = functions_[0].extent.bytes;
    for (const Function& function : functions_) own = Plus(own, function.extent.bytes);
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      ONNXQUANT_RETURN_IF_ERROR(Follow(static_cast<int>(i), own, origin));
    }
    return absl::OkStatus();
  }

 private:
  void Read(Function& function, const onnx::NodeProto& node, int level) {
    Extent& extent = function.extent;
    std::uint64_t parameters = 0;
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (!attribute.ref_attr_name().empty()) ++parameters;
      if (attribute.has_g()) Read(function, attribute.g(), level + 1);
      for (const onnx::GraphProto& body : attribute.graphs()) Read(function, body, level + 1);
    }
    const auto callee =
        ids_.find({absl::string_view(node.domain()), absl::string_view(node.op_type())});
    if (callee != ids_.end()) {
      function.calls.push_back({callee->second, level, node.ByteSizeLong(), parameters});
      return;
    }
    extent.nodes = Plus(extent.nodes, 1);
    extent.bytes = Plus(extent.bytes, node.ByteSizeLong());
    extent.parameters = Plus(extent.parameters, parameters);
  }

  void Read(Function& function, const onnx::GraphProto& body, int level) {
    function.extent.bodies = std::max(function.extent.bodies, level);
    for (const onnx::NodeProto& node : body.node()) Read(function, node, level);
  }

  // Depth-first without recursion: a chain of calls may be as long as the file.
  absl::Status Follow(int start, std::uint64_t own, const std::string& origin) {
    std::vector<int> open;
    const auto enter = [&](int id) {
      functions_[static_cast<std::size_t>(id)].state = Function::State::kOpen;
      open.push_back(id);
    };
    if (functions_[static_cast<std::size_t>(start)].state == Function::State::kNew) enter(start);
    while (!open.empty()) {
      Function& function = functions_[static_cast<std::size_t>(open.back())];
      if (function.next == function.calls.size()) {
        function.state = Function::State::kDone;
        open.pop_back();
        ONNXQUANT_RETURN_IF_ERROR(Judge(function, own, origin));
        continue;
      }
      const Call& call = function.calls[function.next];
      const Function& callee = functions_[static_cast<std::size_t>(call.function)];
      if (callee.state == Function::State::kOpen) {
        return ModelError(origin, ": the local function '", callee.proto->name(),
                          "' comes to call itself, which ONNX forbids: export the model again");
      }
      if (callee.state == Function::State::kNew) {
        enter(call.function);
        continue;
      }
      Add(function.extent, call, callee.extent);
      ++function.next;
    }
    return absl::OkStatus();
  }

  static void Add(Extent& extent, const Call& call, const Extent& callee) {
    extent.nodes = Plus(extent.nodes, callee.nodes);
    extent.bytes = Plus(extent.bytes, Plus(callee.bytes, Times(call.bytes, callee.parameters)));
    extent.parameters = Plus(extent.parameters, Times(call.parameters, callee.parameters));
    extent.bodies = std::max(extent.bodies, call.level + callee.bodies);
    extent.calls = std::max(extent.calls, 1 + callee.calls);
  }

  static absl::Status Judge(const Function& function, std::uint64_t own,
                            const std::string& origin) {
    const std::string what = function.proto == nullptr ? std::string("the main graph")
                                                       : absl::StrCat("the local function '",
                                                                      function.proto->name(), "'");
    const Extent& extent = function.extent;
    const auto refuse = [&](const std::string& found, std::uint64_t most) {
      return ModelError(origin, ": ", what, ", with what it calls put in place of the calls, ",
                        found, "; at most ", most,
                        " are taken: export the model with less in its functions, or without them");
    };
    if (extent.calls > limits::kCallDepth) {
      return refuse("leads through more functions, each called by the one before",
                    limits::kCallDepth);
    }
    if (extent.bodies > limits::kNestedBodies) {
      return refuse(absl::StrCat("nests ", extent.bodies, " bodies in one another"),
                    limits::kNestedBodies);
    }
    if (extent.nodes > limits::kInlinedNodes) {
      return refuse(extent.nodes == kVeryMany ? std::string("has billions of nodes")
                                              : absl::StrCat("has ", extent.nodes, " nodes"),
                    limits::kInlinedNodes);
    }
    if (extent.bytes > own && extent.bytes - own > limits::kInlinedBytes) {
      return refuse(absl::StrCat("takes ", extent.bytes - own, " bytes or more beyond the ", own,
                                 " that all nodes take as they stand"),
                    limits::kInlinedBytes);
    }
    return absl::OkStatus();
  }

  std::vector<Function> functions_;
  absl::flat_hash_map<std::pair<absl::string_view, absl::string_view>, int> ids_;
};

}  // namespace

absl::Status CheckCalls(const onnx::ModelProto& model, const std::string& origin) {
  if (model.functions_size() == 0) return absl::OkStatus();
  return Calls(model).Check(origin);
}

}  // namespace onnxquant
