#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy_yaml.h"
#include "lib/policy/residual_bound.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHead[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
)";

// Two branches that end in norms with one gain; the head shares the embedding's table.
constexpr char kGemma[] = R"(g (int64[b, s] ids) => (float[b, s, 3] logits)
<float[3, 4] table = {1, -2, 3, 4, 0.5, 6, -7, 8, 9, 10, 11, 12}, float scale = {10.0},
 float[4] gain = {100, 0, -300, 2}, float[4] last = {1, 1, 1, 1},
 float[4, 4] w0, float[4, 4] w1> {
  e = Gather(table, ids)
  [embed] x0 = Mul(e, scale)
  [pre0] a0 = SimplifiedLayerNormalization<epsilon = 1e-6>(x0, gain)
  b0 = MatMul(a0, w0)
  [post0] c0 = SimplifiedLayerNormalization<epsilon = 1e-6>(b0, gain)
  [add0] x1 = Add(x0, c0)
  [pre1] a1 = SimplifiedLayerNormalization<epsilon = 1e-6>(x1, gain)
  b1 = MatMul(a1, w1)
  [post1] c1 = SimplifiedLayerNormalization<epsilon = 1e-6>(b1, gain)
  [add1] x2 = Add(x1, c1)
  [final] n = SimplifiedLayerNormalization<epsilon = 1e-6>(x2, last)
  head = Transpose<perm = [1, 0]>(table)
  logits = MatMul(n, head)
})";

// A branch that ends in a MatMul, read by a norm that is spelt out.
constexpr char kPlain[] = R"(g (int64[b, s] ids) => (float[b, s, 4] y)
<float[3, 4] table, float[4, 4] w0, float[4, 4] w1, float two = {2.0}, float eps = {1e-6},
 int64[1] axis = {-1}, float[4] gain> {
  x0 = Gather(table, ids)
  a0 = SimplifiedLayerNormalization(x0, gain)
  b0 = MatMul(a0, w0)
  [add0] x1 = Add(x0, b0)
  [square] square = Pow(x1, two)
  [mean] mean = ReduceMean(square, axis)
  [shift] shifted = Add(mean, eps)
  [root] root = Sqrt(shifted)
  [divide] n = Div(x1, root)
  y = MatMul(n, w1)
})";

constexpr char kFp16[] = "outputs:\n  fp16: {compute: float16, weights: float16, io: float16}\n";

class PlanResidualTest : public ::testing::Test {
 protected:
  void Load(const std::string& text) {
    auto model = Model::FromProto(ParseModel(kHead + text), "m.onnx");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = std::make_unique<Model>(*std::move(model));
    auto analysis = Analyze(model_->proto(), "m.onnx");
    ASSERT_TRUE(analysis.ok()) << analysis.status();
    analysis_.emplace(*std::move(analysis));
    evidence_.model = model_.get();
  }

  absl::StatusOr<OutputPlan> Try(const std::string& rules) {
    const auto policy =
        ParsePolicy(std::string("policy: 1\nname: test\n") + kFp16 + "rules:\n" + rules, "p.yaml");
    EXPECT_TRUE(policy.ok()) << policy.status();
    auto plans = MakePlans(*analysis_, *policy, {}, "m.onnx", evidence_);
    if (!plans.ok()) return plans.status();
    return plans->front();
  }

  OutputPlan Run(const std::string& rules) {
    auto plan = Try(rules);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return *std::move(plan);
  }

  std::string ErrorOf(const std::string& rules, ErrorKind kind) {
    const auto plan = Try(rules);
    if (plan.ok()) return "accepted";
    EXPECT_EQ(KindOf(plan.status()), kind) << plan.status();
    return std::string(plan.status().message());
  }

  const NodePlan& Node(const OutputPlan& plan, const std::string& name) const {
    for (NodeId id = 0; id < static_cast<NodeId>(plan.nodes.size()); ++id) {
      if (analysis_->graph.node(id).proto->name() == name) {
        return plan.nodes[static_cast<std::size_t>(id)];
      }
    }
    ADD_FAILURE() << "no node " << name;
    return plan.nodes.front();
  }

  int EpsilonExponent(const OutputPlan& plan, const std::string& name) const {
    const auto& exponents = plan.stream.epsilon_exponents;
    const auto it = exponents.find(static_cast<NodeId>(&Node(plan, name) - plan.nodes.data()));
    return it == exponents.end() ? 0 : it->second;
  }

  // The limit of the node's first output; 0: there is none.
  double Clip(const OutputPlan& plan, const std::string& name) const {
    const auto it =
        plan.stream.clips.find(static_cast<NodeId>(&Node(plan, name) - plan.nodes.data()));
    return it == plan.stream.clips.end() ? 0 : it->second;
  }

  // "name in format × 2^exponent" of every copy.
  std::vector<std::string> Copies(const OutputPlan& plan, const std::string& weight) const {
    std::vector<std::string> copies;
    for (const WeightPlan& one : plan.weights) {
      if (analysis_->graph.value(one.weight).name != weight) continue;
      for (const WeightCopy& copy : one.copies) {
        copies.push_back(copy.names[0] + " " + std::to_string(copy.exponent));
      }
    }
    return copies;
  }

  void Measure(const std::vector<std::pair<std::string, double>>& peaks) {
    evidence_.ranges = Ranges{"r.json", {peaks.begin(), peaks.end()}};
  }

  std::unique_ptr<Model> model_;
  std::optional<Analysis> analysis_;
  Evidence evidence_;
};

constexpr char kAuto[] = "  - {match: {role: residual}, residual: {rescale: auto}}\n";
constexpr char kFive[] = "  - {match: {role: residual}, residual: {rescale: 5}}\n";

TEST_F(PlanResidualTest, RescalingScalesWeightsAndEpsilonsAndLeavesTheTiedHeadAlone) {
  Load(kGemma);
  const OutputPlan plan = Run(kFive);
  EXPECT_THAT(Copies(plan, "scale"), ElementsAre("scale -5"));
  EXPECT_THAT(Copies(plan, "gain"), ElementsAre("gain 0", "gain_scaled_float16 -5"));
  EXPECT_THAT(Copies(plan, "last"), ElementsAre("last 0"));
  EXPECT_THAT(Copies(plan, "table"), ElementsAre("table 0"));
  for (const char* norm : {"pre0", "pre1", "final"}) {
    EXPECT_EQ(EpsilonExponent(plan, norm), -10) << norm;
    EXPECT_THAT(Node(plan, norm).why.back().ToString(),
                HasSubstr("the residual stream × 2^-5 (rule at p.yaml:6:5) sets epsilon: × 2^-10"));
  }
  for (const char* node : {"post0", "post1"}) EXPECT_EQ(EpsilonExponent(plan, node), 0);
  EXPECT_THAT(plan.residual, HasSubstr("residual stream × 2^-5 (as the policy says): 3 constants "
                                       "and 3 epsilons scaled, 0 Muls put in"));
  for (const NodePlan& node : plan.nodes) {
    EXPECT_EQ(node.compute, node.changes ? ElementType::kFloat16 : ElementType::kFloat);
  }
}

TEST_F(PlanResidualTest, AutoTakesABoundFromTheGainsAndTheTableWhereAllBranchesEndInNorms) {
  Load(kGemma);
  // 10 * 12 from the embedding, twice sqrt(4) * 300 from the norms.
  const auto bound = BoundStream(analysis_->graph, analysis_->residual, *model_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_THAT(bound->unbounded, IsEmpty());
  EXPECT_DOUBLE_EQ(bound->peak, 120 + 2 * 2 * 300);
  // Norms over 4 elements hold sqrt(65504 * 4) = 511.9 in float16; 1320 / 4 fits.
  const OutputPlan plan = Run(kAuto);
  EXPECT_EQ(EpsilonExponent(plan, "final"), -4);
  EXPECT_THAT(plan.residual, HasSubstr("× 2^-2 (bound from the weights 1320, float16 norms over 4 "
                                       "elements hold 512)"));
}

TEST_F(PlanResidualTest, AutoPrefersMeasuredPeaksAndLeavesAMargin) {
  Load(kGemma);
  Measure({{"x0", 1}, {"c0", 2}, {"x1", 600}, {"c1", 3}, {"x2", 700}});
  EXPECT_THAT(Run(kAuto).residual, HasSubstr("× 2^-2 (measured peak 700 in 'x2', margin 1.5"));
  Measure({{"x0", 1}, {"c0", 2}, {"x1", 600}, {"c1", 3}, {"x2", 682}});  // 1023 / 2 just fits
  EXPECT_THAT(Run(kAuto).residual, HasSubstr("× 2^-1"));
  Measure({{"x0", 1}, {"c0", 2}, {"x1", 3}, {"c1", 3}, {"x2", 4}});
  const OutputPlan plan = Run(kAuto);
  EXPECT_THAT(plan.residual, HasSubstr("keeps its scale"));
  EXPECT_EQ(EpsilonExponent(plan, "final"), 0);
}

TEST_F(PlanResidualTest, AutoDoesNotCountNormsThatStayFloat32) {
  Load(kGemma);
  Measure({{"x0", 1}, {"c0", 2}, {"x1", 600}, {"c1", 3}, {"x2", 70000}});
  const std::string norms = "  - {match: {role: norm}, compute: float32}\n";
  EXPECT_THAT(Run(kAuto + norms).residual, HasSubstr("× 2^-1"));  // 105000 in 65504
  const std::string sums = "  - {match: {role: residual}, compute: float32}\n";
  EXPECT_THAT(Run(kAuto + sums).residual, HasSubstr("not computed in float16"));
}

TEST_F(PlanResidualTest, AutoIsRefusedWithoutRangesOrABound) {
  Load(kPlain);
  const std::string message = ErrorOf(kAuto, ErrorKind::kPolicy);
  EXPECT_THAT(message, HasSubstr("rule at p.yaml:6:5"));
  EXPECT_THAT(message,
              HasSubstr("no bound on 'b0', which joins the residual stream without a norm"));
  EXPECT_THAT(message, HasSubstr("--ranges FILE"));
  Measure({{"x1", 5}});
  EXPECT_THAT(ErrorOf(kAuto, ErrorKind::kUsage), HasSubstr("r.json: holds no peak of 'x0'"));
}

TEST_F(PlanResidualTest, AutoIsRefusedWhereNoScaleWouldDo) {
  Load(kGemma);
  Measure({{"x0", 1}, {"c0", 2}, {"x1", 600}, {"c1", 3}, {"x2", 1e9}});
  EXPECT_THAT(ErrorOf(kAuto, ErrorKind::kModel), HasSubstr("would leave float16 no precision"));
}

TEST_F(PlanResidualTest, ADecomposedNormWhoseEpsilonWouldVanishStaysFloat32) {
  Load(kPlain);
  const OutputPlan plan = Run(kFive);
  EXPECT_THAT(Copies(plan, "eps"), ElementsAre("eps -10"));
  EXPECT_THAT(Copies(plan, "w0"), ElementsAre("w0 -5"));
  EXPECT_THAT(Copies(plan, "table"), ElementsAre("table -5"));
  for (const char* node : {"square", "mean", "shift", "root", "divide"}) {
    EXPECT_EQ(Node(plan, node).compute, ElementType::kFloat) << node;
    EXPECT_THAT(Node(plan, node).why.back().ToString(),
                HasSubstr("epsilon 1e-06 becomes 9.76562e-10, below float16's smallest"))
        << node;
  }
  EXPECT_EQ(Node(plan, "add0").compute, ElementType::kFloat16);
}

TEST_F(PlanResidualTest, ARefusalNamesTheReaderAndTheWayOut) {
  Load(R"(g (int64[b, s] ids) => (float[b, s, 4] y)
<float[3, 4] table, float[4] gain, float[4, 4] w0, float[4, 4] w1> {
  x0 = Gather(table, ids)
  a0 = SimplifiedLayerNormalization(x0, gain)
  b0 = MatMul(a0, w0)
  x1 = Add(x0, b0)
  [last] y = MatMul(x1, w1)
})");
  const std::string message = ErrorOf(kFive, ErrorKind::kModel);
  EXPECT_THAT(message,
              HasSubstr("m.onnx: rule at p.yaml:6:5 rescales the residual stream, but 'x1'"));
  EXPECT_THAT(message, HasSubstr("is read by node 'last' (MatMul), which is no normalization"));
  EXPECT_THAT(message, HasSubstr("'residual: float32'"));
  EXPECT_THAT(Run("  - {match: {role: residual}, residual: float32}\n").nodes[3].compute,
              ElementType::kFloat);
}

TEST_F(PlanResidualTest, OneStreamHasOneScale) {
  Load(kGemma);
  const std::string other = "  - {match: {name: add1}, residual: {rescale: 3}}\n";
  EXPECT_THAT(ErrorOf(kFive + other, ErrorKind::kPolicy),
              HasSubstr("rule at p.yaml:7:5 sets residual: {rescale: 3} for node 'add1' (Add)"));
}

TEST_F(PlanResidualTest, Float32IsTheSameAsComputeFloat32ForTheSums) {
  Load(kGemma);
  const OutputPlan plan = Run("  - {match: {role: residual}, residual: float32}\n");
  EXPECT_EQ(Node(plan, "add0").compute, ElementType::kFloat);
  EXPECT_EQ(Node(plan, "add1").compute, ElementType::kFloat);
  EXPECT_EQ(Node(plan, "post0").compute, ElementType::kFloat16);
}

TEST_F(PlanResidualTest, ClippingIsReportedWithHowManySumsExceedTheLimit) {
  Load(kGemma);
  const std::string clip = "  - {match: {role: residual}, residual: {clip: 500}}\n";
  OutputPlan plan = Run(clip);
  EXPECT_EQ(Clip(plan, "add0"), 500);
  EXPECT_EQ(Clip(plan, "post0"), 0);
  EXPECT_EQ(plan.residual, "2 sums of the residual stream clipped to ±500");
  Measure({{"x1", 400}, {"x2", 700}});
  plan = Run(clip);
  EXPECT_THAT(plan.residual, HasSubstr("which 1 of 2 measured ones exceed"));
}

TEST_F(PlanResidualTest, ASumInsideASkipNormCannotBeClipped) {
  Load(R"(g (int64[b, s] ids) => (float[b, s, 4] y)
<float[3, 4] table, float[4] gain, float[4, 4] w0> {
  x0 = Gather(table, ids)
  b0 = MatMul(x0, w0)
  [skip] y = com.microsoft.SkipSimplifiedLayerNormalization(x0, b0, gain)
})");
  EXPECT_THAT(ErrorOf("  - {match: {role: norm}, residual: {clip: 500}}\n", ErrorKind::kModel),
              HasSubstr("node 'skip' (com.microsoft::SkipSimplifiedLayerNormalization) adds and "
                        "normalizes in one"));
}

TEST_F(PlanResidualTest, AResidualRuleThatSpeaksOfNoSumIsRefused) {
  Load(kGemma);
  EXPECT_THAT(ErrorOf("  - {match: {role: embedding}, residual: float32}\n", ErrorKind::kModel),
              HasSubstr("speaks of none of its residual sums"));
}

TEST_F(PlanResidualTest, ARangeSelectorMatchesNodesWithHighMeasuredPeaks) {
  Load(kGemma);
  const std::string rule = "  - {match: {range: {peak_over: 500}}, compute: float32}\n";
  EXPECT_THAT(ErrorOf(rule, ErrorKind::kPolicy),
              HasSubstr("p.yaml:6:5: 'range' needs measured ranges"));
  Measure({{"x1", 500}, {"x2", 500.5}});
  const OutputPlan plan = Run(rule);
  EXPECT_EQ(Node(plan, "add0").compute, ElementType::kFloat16);
  EXPECT_EQ(Node(plan, "add1").compute, ElementType::kFloat);
}

class RangesTest : public ::testing::Test {
 protected:
  absl::StatusOr<Ranges> Read(const std::string& text) {
    folder_.Write("r.json", text);
    return LoadRanges(folder_ / "r.json");
  }
  TempFolder folder_;
};

TEST_F(RangesTest, ReadsPeaksAndLeavesTheRestAlone) {
  const auto ranges =
      Read(R"({"tokens": 5, "values": {"a": {"peak": 12.5, "min": -1}, "b": {"peak": 0}}})");
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  EXPECT_EQ(ranges->peaks.at("a"), 12.5);
  EXPECT_EQ(ranges->peaks.at("b"), 0);
}

TEST_F(RangesTest, RefusesWhatHoldsNoPeaks) {
  for (const char* text : {"", "[]", "{}", "{\"values\": []}", "{\"values\": {\"a\": 3}}",
                           "{\"values\": {\"a\": {\"peak\": \"x\"}}}",
                           "{\"values\": {\"a\": {\"peak\": -1}}}", "{\"values\": {\"a\": {}}}"}) {
    const auto ranges = Read(text);
    EXPECT_FALSE(ranges.ok()) << text;
    EXPECT_EQ(KindOf(ranges.status()), ErrorKind::kUsage);
    EXPECT_THAT(std::string(ranges.status().message()), HasSubstr("r.json:")) << text;
  }
  EXPECT_FALSE(LoadRanges(folder_ / "missing.json").ok());
}

}  // namespace
}  // namespace onnxquant
