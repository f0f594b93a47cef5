#include "lib/tune/weight_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lib/policy/policy_yaml.h"
#include "lib/tune/tunable.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::Each;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::Pointwise;
using ::testing::SizeIs;

// Two products with one weight each: [K,N], and turned.
constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
  g (float[n, 40] x) => (float[n, 24] y)
  <float[40, 56] w1, float[24, 56] w2> {
    a = MatMul(x, w1)
    y = Gemm<transB = 1>(a, w2)
  })";

constexpr char kPolicy[] = R"({policy: 1, name: p, outputs: {
  q4: {compute: float32, weights: {format: int4, block: 16, symmetric: false}, io: float32}}})";

class WeightValuesTest : public ::testing::Test {
 protected:
  WeightValuesTest() : model_(*Model::FromProto(Proto(), "m.onnx")) {
    analysis_.emplace(*Analyze(model_.proto(), "m.onnx"));
    subject_.emplace(TuneSubject{model_, *analysis_, evidence_, "q4"});
  }

  static onnx::ModelProto Proto() {
    onnx::ModelProto proto = ParseModel(kModel);
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (auto& tensor : *proto.mutable_graph()->mutable_initializer()) {
      std::vector<float> numbers(static_cast<std::size_t>(tensor.dims(0) * tensor.dims(1)));
      for (float& number : numbers) number = normal(random);
      tensor.clear_float_data();
      tensor.set_raw_data(numbers.data(), numbers.size() * 4);
    }
    return proto;
  }

  static Candidate CandidateOf(const std::string& text) {
    Candidate candidate;
    candidate.set = ParseRule("match: {weight: a}, weights: " + text, "test")->set;
    candidate.words = text;
    return candidate;
  }

  std::vector<Tunable> Tunables(const std::vector<std::string>& formats) {
    std::vector<Candidate> candidates;
    for (const std::string& format : formats) candidates.push_back(CandidateOf(format));
    const Policy policy = *ParsePolicy(kPolicy, "p.yaml");
    auto found = FindTunables(*subject_, policy, *Decide(*subject_, policy), candidates);
    EXPECT_TRUE(found.ok()) << found.status();
    return *std::move(found);
  }

  Model model_;
  std::optional<Analysis> analysis_;
  Evidence evidence_;
  std::optional<TuneSubject> subject_;
};

TEST_F(WeightValuesTest, ValuesComeNearerToTheWeightWithMoreBits) {
  const auto tunables = Tunables({"{format: int2, block: 16}", "{format: int4, block: 16}",
                                  "{format: int8, block: 16}", "float16"});
  ASSERT_THAT(tunables, SizeIs(2));
  for (const Tunable& tunable : tunables) {
    ASSERT_THAT(tunable.options, SizeIs(4));
    const std::vector<float> weights = *ValuesOfSource(model_, *tunable.tensor);
    const WeightShape shape =
        tunable.name == "w1" ? WeightShape{40, 56, false} : WeightShape{56, 24, true};
    double last = 1e300;
    for (const TunableOption& option : tunable.options) {
      const auto values = ValuesStored(model_, option.job, {});
      ASSERT_TRUE(values.ok()) << values.status();
      const double error = *ErrorOf(shape, weights, *values, {}, {}, {});
      EXPECT_LT(error, last / 3);
      last = error;
    }
    const std::vector<float> eight = *ValuesStored(model_, tunable.options[2].job, {});
    EXPECT_THAT(eight, Pointwise(FloatNear(0.03F), weights));
  }
}

TEST_F(WeightValuesTest, MomentsWeighInputs) {
  const auto tunables = Tunables({"{format: int2, block: 16}", "{format: int8, block: 16}"});
  const Tunable& turned = tunables[1];
  const std::vector<float> weights = *ValuesOfSource(model_, *turned.tensor);
  std::vector<float> values = weights;
  values[3] += 2;  // of output 0, input 3
  std::vector<float> moments(56 * 56, 0);
  moments[3 * 56 + 3] = 5;
  EXPECT_NEAR(*ErrorOf({56, 24, true}, weights, values, moments, {}, {}), 20, 1e-4);
  moments[3 * 56 + 3] = 0;
  EXPECT_EQ(*ErrorOf({56, 24, true}, weights, values, moments, {}, {}), 0);
}

TEST_F(WeightValuesTest, OfManyOutputsSomeCountForAll) {
  const std::size_t n = 10'000;
  const std::vector<float> weights(n * 4, 1);
  std::vector<float> values = weights;
  for (std::size_t i = 0; i < values.size(); i += 4) values[i] += 1;
  EXPECT_NEAR(*ErrorOf({4, n, true}, weights, values, {}, {}, {}), 10'000, 0.01);
}

TEST_F(WeightValuesTest, OutputsThatCountMoreWeighMore) {
  const std::size_t n = 20'000;
  const std::vector<float> weights(n * 4, 1);
  std::vector<float> values = weights;
  std::vector<float> counts(n, 0.5F);
  values[4 * 17'001 + 2] += 3;  // of one output alone
  counts[17'001] = 100;
  EXPECT_NEAR(*ErrorOf({4, n, true}, weights, values, {}, counts, {}), 900, 1e-2);
}

TEST_F(WeightValuesTest, AShapeThatIsNotTheWeightsIsRefused) {
  EXPECT_FALSE(
      ErrorOf({4, 4, true}, std::vector<float>(15), std::vector<float>(15), {}, {}, {}).ok());
}

}  // namespace
}  // namespace onnxquant
