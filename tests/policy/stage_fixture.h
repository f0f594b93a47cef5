// One stage of planning by itself.
#ifndef ONNXQUANT_TESTS_POLICY_STAGE_FIXTURE_H_
#define ONNXQUANT_TESTS_POLICY_STAGE_FIXTURE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/plan_context.h"
#include "lib/policy/policy_yaml.h"
#include "tests/support/text_model.h"

namespace onnxquant {

class StageTest : public ::testing::Test {
 protected:
  static constexpr char kHeader[] =
      "<ir_version: 10, opset_import: [\"\" : 21, \"com.microsoft\" : 1]>\n";

  // A float16 output with these rules.
  void Load(const std::string& text, const std::string& rules = "") {
    LoadProto(ParseModel(kHeader + text), rules);
  }
  void LoadProto(onnx::ModelProto model, const std::string& rules = "") {
    context_.reset();
    resolver_.reset();
    model_ = std::move(model);
    auto analysis = Analyze(model_, origin_);
    ASSERT_TRUE(analysis.ok()) << analysis.status();
    analysis_.emplace(*std::move(analysis));
    auto policy = ParsePolicy(
        "policy: 1\nname: p\noutputs:\n  fp16: {compute: float16, weights: float16, io: "
        "float16}\n" +
            (rules.empty() ? "" : "rules:\n" + rules),
        "p.yaml");
    ASSERT_TRUE(policy.ok()) << policy.status();
    policy_ = *std::move(policy);
    uses_.emplace(analysis_->weight_uses, analysis_->graph.nodes().size());
    resolver_.emplace(policy_, policy_.outputs[0]);
    context_.emplace(PlanContext{*analysis_, *uses_, policy_.outputs[0], evidence_, origin_,
                                 ElementType::kFloat16});
    plan_ = OutputPlan{};
    plan_.half = ElementType::kFloat16;
  }

  ValueId ValueOf(const std::string& name) const { return analysis_->graph.Find(kMainScope, name); }
  // The node that makes the value.
  NodeId NodeOf(const std::string& value) const {
    return analysis_->graph.value(ValueOf(value)).producer;
  }
  // For each node, whether it is one of those that make `values`.
  IdVector<bool> Makers(const std::vector<std::string>& values) const {
    IdVector<bool> nodes(analysis_->graph.nodes().size(), false);
    for (const std::string& value : values) nodes[NodeOf(value)] = true;
    return nodes;
  }

  const std::string origin_ = "m.onnx";
  onnx::ModelProto model_;
  std::optional<Analysis> analysis_;
  Policy policy_;
  Evidence evidence_;
  std::optional<UsesByReader> uses_;
  std::optional<SettingsResolver> resolver_;
  std::optional<PlanContext> context_;
  OutputPlan plan_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_POLICY_STAGE_FIXTURE_H_
