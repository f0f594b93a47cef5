// The output while its nodes are written, and what all that write nodes share.
#ifndef ONNXQUANT_LIB_REWRITE_GRAPH_WRITER_H_
#define ONNXQUANT_LIB_REWRITE_GRAPH_WRITER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "lib/base/unique_names.h"
#include "lib/formats/node_sink.h"
#include "lib/model/element_type.h"
#include "lib/rewrite/made_once.h"
#include "lib/rewrite/rewrite.h"
#include "lib/rewrite/sealed_nodes.h"
#include "lib/rewrite/value_names.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// What NodeSink offers works on the graph that is being written: the main one, or a body.
class GraphWriter : public NodeSink {
 public:
  // `result`: the output, still without nodes. Nodes of the main graph are sealed whenever there
  // are `sealed_at_once`.
  GraphWriter(Rewritten result, TakenNames taken, int sealed_at_once);
  GraphWriter(const GraphWriter&) = delete;
  GraphWriter& operator=(const GraphWriter&) = delete;
  ~GraphWriter() override = default;

  std::string UniqueValue(const std::string& wanted) override { return taken_.values.Take(wanted); }
  std::string UniqueNode(const std::string& wanted) override { return taken_.nodes.Take(wanted); }
  // The graph that is open.
  onnx::GraphProto& graph() { return *graphs_.back(); }
  // Valid until SealIfMany.
  onnx::NodeProto& AddNode() override { return *graph().add_node(); }
  void AddNode(onnx::NodeProto node) { AddNode() = std::move(node); }
  std::string Once(const std::string& key, const std::function<std::string()>& make) override {
    return Once(key, make, Look::kAround);
  }
  std::string Once(const std::string& key, const std::function<std::string()>& make, Look look);
  void RequireOpset(const char* domain, int version) override;

  // An initializer of the main graph that a job fills; its number.
  int AddInitializer(const std::string& name, ElementType type, absl::Span<const std::int64_t> dims,
                     bool keep_inline = false);
  // An initializer of the main graph that holds its own values: of strings.
  void AddStrings(onnx::TensorProto tensor);
  // An initializer of the main graph that the input does not have: float32 numbers.
  void AddNumbers(const std::string& name, absl::Span<const std::int64_t> dims,
                  absl::Span<const float> numbers);
  void AddJob(FillJob job) { result_.jobs.push_back(std::move(job)); }

  std::vector<std::string>& warnings() { return result_.warnings; }

  // What follows goes to `body`, the body of `scope`, until it is closed.
  void Open(ScopeId scope, onnx::GraphProto& body);
  void Close();
  // Seals the main graph's nodes if it is being written and has many.
  void SealIfMany();
  // The graphs that are open; the one that is being written is the last.
  absl::Span<const ScopeId> open() const { return open_; }

  // The output with its nodes. No name can be given any more.
  struct Written {
    Rewritten result;
    SealedNodes sealed;  // the first nodes of the main graph
  };
  Written Finish() &&;

 private:
  Rewritten result_;
  TakenNames taken_;
  const int sealed_at_once_;
  SealedNodes sealed_;
  std::vector<ScopeId> open_;
  std::vector<onnx::GraphProto*> graphs_;    // of open_
  MadeOnce<std::string, std::string> made_;  // by key
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_GRAPH_WRITER_H_
