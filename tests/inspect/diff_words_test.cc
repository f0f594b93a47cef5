#include "lib/inspect/diff_words.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inspect/small_decoder.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using Sentences = std::vector<std::string>;

ModelDiff Diff(onnx::ModelProto first, onnx::ModelProto second) {
  const auto a = Model::FromProto(std::move(first), "a.onnx");
  const auto b = Model::FromProto(std::move(second), "b.onnx");
  EXPECT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
  if (!a.ok() || !b.ok()) return {};
  const auto diff = DiffModels(*a, *b);
  EXPECT_TRUE(diff.ok()) << diff.status();
  return diff.value_or(ModelDiff());
}

Sentences Say(const DecoderForm& first, const DecoderForm& second) {
  return Diff(SmallDecoder(first), SmallDecoder(second)).summary;
}

TEST(DiffWordsTest, SaysNothingOfEqualModels) {
  const ModelDiff diff = Diff(SmallDecoder({}), SmallDecoder({}));
  EXPECT_TRUE(diff.Empty());
  EXPECT_THAT(diff.summary, IsEmpty());
}

TEST(DiffWordsTest, SaysFirstWhatBreaksAHalvedModel) {
  const Sentences said = Say({}, {.type = "float16"});
  ASSERT_GT(said.size(), 4U);
  EXPECT_THAT(said[0], AllOf(StartsWith("in B, 3 norms mix types; the last, 'final': input "
                                        "float16, scale float32"),
                             HasSubstr("WebGPU provider does not")));
  EXPECT_THAT(said[1], StartsWith("in B, all 2 residual sums run in float16 (A: float32); float16 "
                                  "ends at 65504"));
  EXPECT_THAT(said, Contains(AllOf(StartsWith("in B, the weights of embedding, lm_head, q_proj"),
                                   HasSubstr(" are stored as float16 (A: float32)"))));
  EXPECT_THAT(said, Contains(StartsWith("the KV cache's 4 inputs and outputs are float16 in B "
                                        "(A: float32)")));
  EXPECT_THAT(said, Contains(HasSubstr("output 'logits' is float16 in B (A: float32)")));
}

TEST(DiffWordsTest, NamesTheModelThatIsWrongInEitherOrder) {
  const Sentences said = Say({.type = "float16"}, {});
  EXPECT_THAT(said[0], StartsWith("in A, 3 norms mix types"));
  EXPECT_THAT(said[1], HasSubstr("becomes Inf in A"));
}

TEST(DiffWordsTest, NamesASingleNorm) {
  DecoderForm halves{.type = "float16", .scale = "float16"};
  onnx::ModelProto mixed = SmallDecoder(halves);
  onnx::GraphProto& graph = *mixed.mutable_graph();
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (node.name() == "final") node.set_input(1, "wide");
  }
  onnx::TensorProto& wide = *graph.add_initializer();
  wide.set_name("wide");
  wide.set_data_type(onnx::TensorProto::FLOAT);
  wide.add_dims(8);
  wide.set_raw_data(std::string(32, '\0'));
  EXPECT_THAT(Diff(SmallDecoder(halves), mixed).summary,
              Contains(StartsWith("in B, the final norm 'final' mixes types: input float16, scale "
                                  "float32 (not so in A)")));
  // One that both have is no difference.
  EXPECT_THAT(Diff(mixed, mixed).summary, IsEmpty());
}

TEST(DiffWordsTest, TellsOfSumsThatAreNarrowedOrClipped) {
  const DecoderForm narrowed{.between = "h16 = Cast<to = 10>(s)\n t = Cast<to = 1>(h16)"};
  Sentences said = Say({}, narrowed);
  EXPECT_THAT(said, Contains(AllOf(HasSubstr("a Cast rounds to a narrower type"),
                                   HasSubstr("in B: 1 to float16 (A: none)"))));
  EXPECT_THAT(said, Contains("operators that only B has: Cast (2)"));
  const DecoderForm clipped{.between =
                                "low = Constant<value_float = -9.0>()\n"
                                "high = Constant<value_float = 9.0>()\n"
                                "t = Clip(s, low, high)"};
  said = Say(clipped, {});
  EXPECT_THAT(said, Contains(StartsWith("residual sums that a Clip bounds: 0 in B (A: 1)")));
  EXPECT_THAT(said, Contains("operators that only A has: Clip (1) and Constant (2)"));
}

TEST(DiffWordsTest, CountsCasts) {
  const auto casts = [](int pairs) {
    DecoderForm form{.between = "c0 = Cast<to = 1>(s)\n"};
    for (int i = 1; i <= pairs; ++i) {
      form.between += "c" + std::to_string(i) + " = Cast<to = 1>(c" + std::to_string(i - 1) + ")\n";
    }
    form.between += "t = Identity(c" + std::to_string(pairs) + ")";
    return form;
  };
  EXPECT_THAT(Say(casts(1), casts(4)), Contains("B has 3 Cast nodes more (2 → 5)"));
  EXPECT_THAT(Say(casts(4), casts(1)), Contains("B has 3 Cast nodes fewer (5 → 2)"));
}

TEST(DiffWordsTest, ComparesVersionsAndWhatTheGraphTakesAndGives) {
  onnx::ModelProto other = SmallDecoder({});
  other.set_ir_version(11);
  other.mutable_opset_import(0)->set_version(22);
  other.mutable_graph()->mutable_output()->RemoveLast();
  const ModelDiff diff = Diff(SmallDecoder({}), other);
  EXPECT_EQ(diff.ir_version, "10 and 11");
  EXPECT_FALSE(diff.Empty());
  EXPECT_THAT(diff.summary, Contains("B uses opset 22 of ai.onnx (A: 21)"));
  EXPECT_THAT(diff.summary, Contains("B is of IR version 11 (A: 10)"));
  EXPECT_THAT(diff.summary, Contains("only A gives 'present_v'"));
}

// Looked for one by one, these would be tens of billions of comparisons.
TEST(DiffWordsTest, ComparesHundredsOfThousandsOfInputs) {
  onnx::ModelProto one = SmallDecoder({});
  onnx::ModelProto other = one;
  for (int i = 0; i < 300'000; ++i) {
    for (onnx::ModelProto* model : {&one, &other}) {
      onnx::ValueInfoProto& info = *model->mutable_graph()->add_input();
      info.set_name(absl::StrCat("input_", model == &one ? i : i + 1));
      info.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    }
  }
  const Sentences said = Diff(one, other).summary;
  EXPECT_THAT(said, Contains("only A takes 'input_0'"));
  EXPECT_THAT(said, Contains("only B takes 'input_300000'"));
}

TEST(DiffWordsTest, TellsOfWeightsWithOtherValues) {
  onnx::ModelProto other = SmallDecoder({});
  for (onnx::TensorProto& tensor : *other.mutable_graph()->mutable_initializer()) {
    if (tensor.name() != "head") continue;
    for (float& value : *tensor.mutable_float_data()) value = -value;
  }
  EXPECT_EQ(Diff(SmallDecoder({}), other).summary,
            Sentences{"1 weight of one name and type holds other values; the furthest is 'head' "
                      "(cosine -1.0000)"});
}

TEST(DiffWordsTest, SeesWeightsThatAreScaledByAPowerOfTwo) {
  onnx::ModelProto other = SmallDecoder({});
  for (onnx::TensorProto& tensor : *other.mutable_graph()->mutable_initializer()) {
    if (tensor.name() != "wo" && tensor.name() != "wd") continue;
    for (float& value : *tensor.mutable_float_data()) value /= 32;
  }
  const Sentences said = Diff(SmallDecoder({}), other).summary;
  ASSERT_EQ(said.size(), 1U);
  EXPECT_THAT(said[0], StartsWith("2 weights of B are those of A times 2^-5; residual sums of what "
                                  "they give are smaller"));
}

TEST(DiffWordsTest, EndsWithTheSizeOfTheGraphs) {
  onnx::ModelProto other = SmallDecoder({});
  other.set_doc_string(std::string(100, 'x'));
  const ModelDiff diff = Diff(SmallDecoder({}), other);
  EXPECT_TRUE(diff.Empty());  // nothing that is computed differs
  ASSERT_EQ(diff.summary.size(), 1U);
  EXPECT_THAT(diff.summary[0], HasSubstr("102 more for documentation and metadata"));
}

}  // namespace
}  // namespace onnxquant
