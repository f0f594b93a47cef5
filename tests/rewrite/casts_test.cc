#include "lib/rewrite/casts.h"

#include <optional>
#include <utility>

#include "gmock/gmock.h"
#include "lib/rewrite/declarations.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CastsTest : public RewriteFixture {
 protected:
  void Start(const std::string& text, const std::string& yaml) {
    Load(text);
    const RewriteInput given = Plan(yaml);
    StoredConstants constants = FindStoredConstants(given);
    TakenNames taken = FindTakenNames(given);
    OutputNames names = NameValues(given, constants, taken.values);
    input_.emplace(EmitInput{given, std::move(constants), std::move(names)});
    writer_.emplace(StartFromInput(model_->proto()), std::move(taken), kSealedAtOnce);
    casts_ = StartCastTable(*input_);
  }

  ValueId Id(const std::string& name) const { return analysis_->graph.Find(kMainScope, name); }

  std::string Cast(const std::string& value, ElementType to, Look look = Look::kAround) {
    return CastOf(*input_, Id(value), to, look, *writer_, casts_);
  }

  std::vector<std::string> Written() { return Lines(std::move(*writer_).Finish().result); }

  std::optional<EmitInput> input_;
  std::optional<GraphWriter> writer_;
  CastTable casts_;
};

constexpr char kChain[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) {
  y = Sqrt(x)
  z = Exp(y)
})";

TEST_F(CastsTest, AValueIsCastOncePerType) {
  Start(kChain, kFp16);
  EXPECT_EQ(Cast("y", ElementType::kFloat), "y_float32");
  EXPECT_EQ(Cast("y", ElementType::kFloat), "y_float32");
  EXPECT_EQ(Cast("y", ElementType::kDouble), "y_float64");
  EXPECT_EQ(casts_.written, 2);
  EXPECT_THAT(Written(), ElementsAre("Cast(y) -> y_float32", "Cast(y) -> y_float64"));
}

TEST_F(CastsTest, TheCastThatMakesAnOutputServesItsOtherReaders) {
  Start(kChain, kFp16KeepIo);
  EXPECT_EQ(Cast("z", ElementType::kFloat), "z");
  EXPECT_EQ(casts_.written, 0);
  EmitOutputCast(*input_, Id("z"), *writer_, casts_);
  EXPECT_EQ(casts_.written, 1);
  EXPECT_THAT(Written(), ElementsAre("Cast(z_float16) -> z"));
}

TEST_F(CastsTest, WhatABodyGivesIsCastInItThoughACastStandsAround) {
  Start(kChain, kFp16);
  onnx::GraphProto body;
  EXPECT_EQ(Cast("y", ElementType::kFloat), "y_float32");
  writer_->Open(1, body);
  EXPECT_EQ(Cast("y", ElementType::kFloat), "y_float32");
  EXPECT_EQ(Cast("y", ElementType::kFloat, Look::kHere), "y_float32_2");
  writer_->Close();
  EXPECT_EQ(body.node_size(), 1);
}

TEST_F(CastsTest, AWidenedValueIsReadFromBeforeTheWidening) {
  Start(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[4] x) => (float[4] z) {
  [wide] y = Cast<to = 1>(x)
  z = Exp(y)
})",
        std::string(kFp16KeepIo) +
            "rules:\n  - {match: {name: wide}, keep: true}\n"
            "  - {match: {name: x}, io: float16}\n");
  EXPECT_EQ(Cast("y", ElementType::kFloat16), "x");
  EXPECT_THAT(Written(), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
