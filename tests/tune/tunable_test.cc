#include "lib/tune/tunable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/error.h"
#include "lib/policy/policy_yaml.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
  g (float[n, 64] x) => (float[n, 64] y)
  <float[64, 64] first, float[64, 64] second, float[64, 64] kept> {
    a = MatMul(x, first)
    b = MatMul(a, second)
    y = MatMul(b, kept)
  })";

constexpr char kPolicy[] = R"(policy: 1
name: p
outputs:
  q4: {compute: float32, weights: {format: int4, block: 16}, io: float32}
rules:
  - match: {weight: kept}
    weights: float32
    optional: true
  - match: {weight: second}
    weights: {format: int8, block: 16}
    optional: true
)";

class TunableTest : public ::testing::Test {
 protected:
  explicit TunableTest(const char* text = kModel)
      : model_(*Model::FromProto(ParseModel(text), "m.onnx")),
        analysis_(*Analyze(model_.proto(), "m.onnx")) {}

  absl::StatusOr<std::vector<Tunable>> Find(const std::vector<std::string>& formats,
                                            const std::string& policy = kPolicy) {
    std::vector<Candidate> candidates;
    for (const std::string& format : formats) {
      Candidate& candidate = candidates.emplace_back();
      candidate.set = ParseRule("match: {weight: a}, weights: " + format, "test")->set;
      candidate.words = format;
    }
    const TuneSubject subject{model_, analysis_, evidence_, "q4"};
    const Policy parsed = *ParsePolicy(policy, "p.yaml");
    return FindTunables(subject, parsed, *Decide(subject, parsed), candidates);
  }

  Model model_;
  Analysis analysis_;
  Evidence evidence_;
};

TEST_F(TunableTest, WeightsInBlocksAreFoundWithWhatThePolicyGivesThem) {
  const auto tunables = *Find({"{format: int4, block: 16}", "{format: int8, block: 16}"});
  ASSERT_THAT(tunables, SizeIs(2));
  EXPECT_EQ(tunables[0].name, "first");
  EXPECT_EQ(tunables[0].base, 0);
  EXPECT_EQ(tunables[1].name, "second");
  EXPECT_EQ(tunables[1].base, 1);
}

TEST_F(TunableTest, BytesAreThoseThatAreStored) {
  const auto tunables = *Find({"{format: int4, block: 16}", "{format: int8, block: 16}",
                               "{format: int4, block: 32, symmetric: false}", "float16"});
  std::vector<std::uint64_t> bytes;
  for (const TunableOption& option : tunables[0].options) bytes.push_back(option.bytes);
  EXPECT_THAT(bytes, ElementsAre(64 * 64 / 2 + 64 * 4 * 4, 64 * 64 + 64 * 4 * 4,
                                 64 * 64 / 2 + 64 * 2 * 4 + 64, 64 * 64 * 2));
}

TEST_F(TunableTest, AFormatThatAWeightCannotHaveIsNotOffered) {
  const auto tunables = *Find({"{format: int4, block: 16}", "{format: int8, block: 16}",
                               "{format: plain_int8, block: 16}"});
  EXPECT_THAT(tunables[0].options, SizeIs(2));  // tables alone are stored so
}

TEST_F(TunableTest, NothingToChooseIsSaid) {
  const auto found = Find({"float16", "float32"},
                          "{policy: 1, name: p, outputs: {q4: {compute: float32, weights: "
                          "float32, io: float32}}}");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(KindOf(found.status()), ErrorKind::kPolicy);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("stores no weight in blocks"));
}

TEST_F(TunableTest, ADecidedOutputSaysTheBytesOfItsFiles) {
  const TuneSubject subject{model_, analysis_, evidence_, "q4"};
  const auto small = *Decide(subject, *ParsePolicy(kPolicy, "p.yaml"));
  Policy wide = *ParsePolicy(kPolicy, "p.yaml");
  wide.rules.push_back(*ParseRule("match: {weight: first}, weights: float32", "test"));
  const auto large = *Decide(subject, wide);
  EXPECT_GT(large.bytes, small.bytes + 8'000);
}

}  // namespace
}  // namespace onnxquant
