// What the tests of the roles' detectors share.
#ifndef ONNXQUANT_TESTS_ANALYSIS_ROLES_FIXTURE_H_
#define ONNXQUANT_TESTS_ANALYSIS_ROLES_FIXTURE_H_

#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "lib/analysis/roles.h"
#include "tests/support/text_model.h"

namespace onnxquant {

inline constexpr char kRolesHead[] =
    R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
)";

class RolesTest : public ::testing::Test {
 protected:
  void Load(const std::string& text) {
    model_ = ParseModel(text);
    auto graph = Graph::Build(model_, "m.onnx");
    ASSERT_TRUE(graph.ok()) << graph.status();
    graph_.emplace(*std::move(graph));
    roles_ = FindRoles(*graph_);
  }

  const NodeRole& At(const std::string& node) const {
    for (std::size_t i = 0; i < graph_->nodes().size(); ++i) {
      if (graph_->nodes()[i].proto->name() == node) return roles_.nodes[i];
    }
    ADD_FAILURE() << "no node " << node;
    return roles_.nodes[0];
  }

  Role ValueRole(const std::string& value) const {
    return roles_.OfValue(graph_->Find(kMainScope, value)).role;
  }

  onnx::ModelProto model_;
  std::optional<Graph> graph_;
  Roles roles_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_ANALYSIS_ROLES_FIXTURE_H_
