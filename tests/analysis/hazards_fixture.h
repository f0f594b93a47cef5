// What the tests of the hazards' detectors share.
#ifndef ONNXQUANT_TESTS_ANALYSIS_HAZARDS_FIXTURE_H_
#define ONNXQUANT_TESTS_ANALYSIS_HAZARDS_FIXTURE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lib/analysis/hazards.h"
#include "tests/support/text_model.h"

namespace onnxquant {

inline constexpr char kHazardsHead[] = "<ir_version: 10, opset_import: [\"\" : 17]>\ng ";

class HazardsTest : public ::testing::Test {
 protected:
  // The hazards of a model with the signature, initializers and nodes given.
  const std::vector<Hazard>& Find(const std::string& text) {
    return FindIn(ParseModel(kHazardsHead + text));
  }

  const std::vector<Hazard>& FindIn(onnx::ModelProto model) {
    model_ = std::move(model);
    auto graph = Graph::Build(model_, "m.onnx");
    EXPECT_TRUE(graph.ok()) << graph.status();
    graph_.emplace(*std::move(graph));
    hazards_ = FindHazards(*graph_, *InferTypes(*graph_, "m.onnx"));
    return hazards_;
  }

  // The first outputs of the nodes that have the hazard.
  std::vector<std::string> With(const std::string& name) const {
    std::vector<std::string> outputs;
    for (const Hazard& hazard : hazards_) {
      if (hazard.kind->name == name) outputs.push_back(graph_->node(hazard.node).proto->output(0));
    }
    return outputs;
  }

  std::string Why(const std::string& name) const {
    for (const Hazard& hazard : hazards_) {
      if (hazard.kind->name == name) return hazard.why;
    }
    return "";
  }

  onnx::ModelProto model_;
  std::optional<Graph> graph_;
  std::vector<Hazard> hazards_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_ANALYSIS_HAZARDS_FIXTURE_H_
