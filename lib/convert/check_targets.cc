#include "lib/convert/check_targets.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/model/layout.h"
#include "lib/targets/find_lacks.h"

namespace onnxquant {
namespace {

// What adapters of WebGPU bind at once unless they say more.
constexpr std::uint64_t kBindingBytes = 128ULL << 20U;
constexpr const char* kUnasked[] = {"cpu", "webgpu"};
constexpr char kWasmOfTransformersJs[] = "transformers.js-wasm";

// The output's structure, as a runtime would read it.
struct WrittenModel {
  onnx::ModelProto proto;
  std::vector<Graph> graph;  // one, which looks into `proto`
  ValueTypes types;
};

absl::Status Read(const PlannedOutput& output, WrittenModel& written) {
  if (!written.proto.ParseFromString(output.model)) {
    return InternalError(output.file_name, ": what was made for it cannot be read back");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(Graph graph, Graph::Build(written.proto, output.file_name));
  written.graph.push_back(std::move(graph));
  ONNXQUANT_ASSIGN_OR_RETURN(written.types, InferTypes(written.graph[0], output.file_name));
  return absl::OkStatus();
}

// What decided that a node of the output is as it is: the constant in codes that it reads, or the
// node of the input that it was.
class Deciders {
 public:
  Deciders(const Analysis& analysis, const OutputPlan& plan) : analysis_(analysis), plan_(plan) {
    for (const WeightPlan& weight : plan.weights) {
      for (const WeightCopy& copy : weight.copies) {
        if (copy.format.IsFloat()) continue;
        for (const std::string& name : copy.names) copies_[name] = {&weight, &copy};
      }
    }
    for (NodeId id = 0; id < static_cast<NodeId>(analysis.graph.nodes().size()); ++id) {
      for (const std::string& name : analysis.graph.node(id).proto->output()) makers_[name] = id;
    }
  }

  // ", which reads 'w' (role q_proj) in codes, because output 'q4' sets weights: int4"
  std::string Of(const onnx::NodeProto& node) const {
    for (const std::string& name : node.input()) {
      const auto found = copies_.find(name);
      if (found == copies_.end()) continue;
      const auto& [weight, copy] = found->second;
      const WeightUse& use = analysis_.weight_uses[copy->uses.front()];
      return absl::StrCat(", which reads '", analysis_.graph.value(weight->weight).name, "'",
                          RoleOf(use.reader.node), " as ", ToString(copy->format),
                          Because(copy->why));
    }
    for (const std::string& name : node.output()) {
      const auto found = makers_.find(name);
      if (found == makers_.end()) continue;
      return absl::StrCat(RoleOf(found->second), Because(plan_.nodes[found->second].why));
    }
    return "";
  }

 private:
  std::string RoleOf(NodeId id) const {
    const NodeRole& role = analysis_.roles.nodes[id];
    return role.role == Role::kNone ? "" : absl::StrCat(" (role ", NameOf(role.role), ")");
  }

  static std::string Because(const Reasons& why) {
    return why.empty() ? "" : absl::StrCat(", because ", why.back().ToString());
  }

  const Analysis& analysis_;
  const OutputPlan& plan_;
  absl::flat_hash_map<std::string, std::pair<const WeightPlan*, const WeightCopy*>> copies_;
  absl::flat_hash_map<std::string, NodeId> makers_;
};

// "3 nodes on the CPU beside it (Sign, CumSum)"
std::string OperatorsOf(const Graph& graph, const std::vector<Lack>& lacks) {
  std::set<std::string> ops;
  for (const Lack& lack : lacks) ops.insert(graph.OpName(lack.node));
  constexpr std::size_t kShown = 6;
  std::vector<std::string> shown(ops.begin(), ops.end());
  const bool more = shown.size() > kShown;
  if (more) shown.resize(kShown);
  return absl::StrCat(lacks.size(), lacks.size() == 1 ? " node (" : " nodes (",
                      absl::StrJoin(shown, ", "), more ? " …)" : ")");
}

const PlaceLacks& Best(const std::vector<PlaceLacks>& places) {
  return *std::min_element(
      places.begin(), places.end(),
      [](const PlaceLacks& a, const PlaceLacks& b) { return a.refused.size() < b.refused.size(); });
}

std::string NameOfPlace(const Target& target, const Place& place) {
  return place.name == target.row->name ? target.ToString()
                                        : absl::StrCat(target.ToString(), ", ", place.name);
}

absl::Status Refuse(const TargetAsked& asked, const PlaceLacks& lacks, const Graph& graph,
                    const std::string& model_path, const Deciders& deciders,
                    const OutputPlan& plan) {
  const Lack& first = lacks.refused.front();
  std::vector<Lack> rest(lacks.refused.begin() + 1, lacks.refused.end());
  return PolicyError(asked.mark.ToString(), ": ", model_path, ": output '", plan.dtype,
                     "' cannot run on ", NameOfPlace(asked.target, *lacks.place), " (ONNX Runtime ",
                     asked.target.runtime.ToString(), "): ", graph.Describe(first.node),
                     deciders.Of(*graph.node(first.node).proto), ": found ", first.found,
                     "; expected ", first.expected, " ('", first.says, "'); ", first.remedy,
                     rest.empty() ? "" : absl::StrCat("; likewise ", OperatorsOf(graph, rest)));
}

// Tensors that adapters with WebGPU's default limits cannot bind.
std::string LargeTensors(const PlannedOutput& output, const Place& place) {
  if (place.kernels != kWebGpuKernels) return "";
  int count = 0;
  std::uint64_t largest = 0;
  for (const Placement& item : output.layout.items) {
    if (item.bytes <= kBindingBytes) continue;
    ++count;
    largest = std::max(largest, item.bytes);
  }
  if (count == 0) return "";
  return absl::StrCat("; ", count, count == 1 ? " tensor is" : " tensors are",
                      " larger than the 128 MiB that every adapter binds (", largest,
                      " bytes at most)");
}

std::string HowItRuns(const Target& target, const PlaceLacks& lacks, const Graph& graph,
                      const PlannedOutput& output) {
  return absl::StrCat("runs on ", NameOfPlace(target, *lacks.place),
                      lacks.beside.empty() ? ""
                                           : absl::StrCat(", ", OperatorsOf(graph, lacks.beside),
                                                          " of it on the CPU beside"),
                      LargeTensors(output, *lacks.place));
}

absl::Status CheckFiles(const TargetAsked& asked, const Place& place, const PlannedOutput& output) {
  if (!place.browser || FitsBrowsers(output.layout)) return absl::OkStatus();
  return PolicyError(asked.mark.ToString(), ": a data file of ", output.file_name,
                     " is larger than the ", kLargestInBrowsers,
                     " bytes that a browser holds, and ", asked.target.ToString(),
                     " is one; give a smaller --max-shard");
}

// "runs neither on … nor on …", or "".
absl::StatusOr<std::string> RunsNowhere(const WrittenModel& written) {
  std::vector<std::string> said;
  for (const char* name : kUnasked) {
    ONNXQUANT_ASSIGN_OR_RETURN(const Target target, ParseTarget(name));
    const std::vector<PlaceLacks> places = FindLacks(written.graph[0], written.types, target);
    if (places[0].refused.empty()) return "";
    said.push_back(absl::StrCat(target.ToString(), " (", places[0].refused[0].found, ": ",
                                OperatorsOf(written.graph[0], places[0].refused), ")"));
  }
  return absl::StrCat("this output runs neither on ", absl::StrJoin(said, " nor on "),
                      "; it is for other providers, such as CUDA's: --target says of each node "
                      "what it would need");
}

// Transformers.js picks a file by its dtype and a device apart from that. "" where the output loads
// on wasm, too.
absl::StatusOr<std::string> NotOnWasm(const WrittenModel& written) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Target target, ParseTarget(kWasmOfTransformersJs));
  const std::vector<PlaceLacks> places = FindLacks(written.graph[0], written.types, target);
  const std::vector<Lack>& refused = places[0].refused;
  if (refused.empty()) return "";
  return absl::StrCat(
      "does not load with device wasm of Transformers.js: ", OperatorsOf(written.graph[0], refused),
      ": found ", refused[0].found, "; expected ", refused[0].expected, "; ", refused[0].remedy);
}

}  // namespace

absl::StatusOr<TargetsSaid> CheckTargets(const Policy& policy, const std::string& model_path,
                                         const Analysis& analysis, const OutputPlan& plan,
                                         const PlannedOutput& output, bool for_browsers) {
  TargetsSaid said;
  if (policy.targets.empty() && analysis.graph.nodes().size() > kNodesUnasked) return said;
  WrittenModel written;
  const absl::Status read = Read(output, written);
  if (policy.targets.empty()) {
    if (!read.ok()) return said;  // nobody has asked
    ONNXQUANT_ASSIGN_OR_RETURN(std::string nowhere, RunsNowhere(written));
    if (!nowhere.empty()) said.warnings.push_back(std::move(nowhere));
    if (!for_browsers) return said;
    ONNXQUANT_ASSIGN_OR_RETURN(std::string not_on_wasm, NotOnWasm(written));
    if (!not_on_wasm.empty()) said.runs.push_back(std::move(not_on_wasm));
    return said;
  }
  ONNXQUANT_RETURN_IF_ERROR(read);
  const Graph& graph = written.graph[0];
  const Deciders deciders(analysis, plan);
  for (const TargetAsked& asked : policy.targets) {
    const std::vector<PlaceLacks> places = FindLacks(graph, written.types, asked.target);
    const PlaceLacks& best = Best(places);
    if (!best.refused.empty()) {
      return Refuse(asked, best, graph, model_path, deciders, plan);
    }
    ONNXQUANT_RETURN_IF_ERROR(CheckFiles(asked, *best.place, output));
    said.runs.push_back(HowItRuns(asked.target, best, graph, output));
  }
  return said;
}

}  // namespace onnxquant
