// Rewrites models written as text under policies written as YAML.
#ifndef ONNXQUANT_TESTS_REWRITE_REWRITE_FIXTURE_H_
#define ONNXQUANT_TESTS_REWRITE_REWRITE_FIXTURE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy_yaml.h"
#include "lib/rewrite/rewrite.h"
#include "lib/rewrite/rewrite_input.h"
#include "tests/support/text_model.h"

namespace onnxquant {

class RewriteFixture : public ::testing::Test {
 protected:
  void Load(const std::string& text) { LoadProto(ParseModel(text)); }

  void LoadProto(onnx::ModelProto proto) {
    auto model = Model::FromProto(std::move(proto), "m.onnx");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = std::make_unique<Model>(*std::move(model));
    auto analysis = Analyze(model_->proto(), "m.onnx");
    ASSERT_TRUE(analysis.ok()) << analysis.status();
    analysis_.emplace(*std::move(analysis));
  }

  // What the stages of rewriting under a policy read.
  RewriteInput Plan(const std::string& yaml) {
    const auto policy = ParsePolicy("policy: 1\nname: test\n" + yaml, "test.yaml");
    EXPECT_TRUE(policy.ok()) << policy.status();
    auto plans = MakePlans(*analysis_, *policy, {}, "m.onnx");
    EXPECT_TRUE(plans.ok()) << plans.status();
    plan_ = plans->front();
    return {*model_, *analysis_, plan_};
  }

  absl::StatusOr<Rewritten> Try(const std::string& yaml) {
    Plan(yaml);
    return Rewrite(*model_, *analysis_, plan_);
  }

  Rewritten Run(const std::string& yaml) {
    auto rewritten = Try(yaml);
    EXPECT_TRUE(rewritten.ok()) << rewritten.status();
    return *std::move(rewritten);
  }

  // "Op(input, input) -> output" per node, the order of the graph.
  static std::vector<std::string> Lines(const Rewritten& rewritten) {
    std::vector<std::string> lines;
    for (const onnx::NodeProto& node : rewritten.model.graph().node()) {
      std::string line = node.op_type() + "(";
      for (int i = 0; i < node.input_size(); ++i) line += (i > 0 ? ", " : "") + node.input(i);
      line += ") -> ";
      for (int i = 0; i < node.output_size(); ++i) line += (i > 0 ? ", " : "") + node.output(i);
      lines.push_back(line);
    }
    return lines;
  }

  static std::map<std::string, int> InitializerTypes(const Rewritten& rewritten) {
    std::map<std::string, int> types;
    for (const auto& tensor : rewritten.model.graph().initializer()) {
      types[tensor.name()] = tensor.data_type();
    }
    return types;
  }

  std::unique_ptr<Model> model_;
  std::optional<Analysis> analysis_;
  OutputPlan plan_;
};

inline constexpr char kFp16[] =
    "outputs:\n  fp16: {compute: float16, weights: float16, io: float16}\n";
inline constexpr char kFp16KeepIo[] =
    "outputs:\n  fp16: {compute: float16, weights: float16, io: float32}\n";

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_REWRITE_REWRITE_FIXTURE_H_
