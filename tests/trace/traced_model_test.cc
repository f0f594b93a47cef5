#include "lib/trace/traced_model.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
    g (float[n, 3] x, bool c) => (float[n, 3] y)
    {
      a = Add(x, x)
      s = Shape(a)
      h = Cast <to: int = 10> (a)
      b = If (c) <
        then_branch = g1 () => (float[n, 3] t) { t = Neg(a) },
        else_branch = g2 () => (float[n, 3] e) { e = Identity(a) }
      >
      y = Mul(b, a)
    })";

class TracedModelTest : public ::testing::Test {
 protected:
  TracedModelTest() { folder_.Write("model.onnx", ParseModel(kModel).SerializeAsString()); }
  TempFolder folder_;
};

TEST_F(TracedModelTest, ListsTheFloatValuesOfTheMainGraphInOrder) {
  const auto model = TracedModel::Load(folder_ / "model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<std::string> names;
  for (const TracedValue& value : model->values()) names.push_back(value.name);
  EXPECT_THAT(names, ElementsAre("a", "h", "b", "y"));
  EXPECT_EQ(model->values()[0].op, "Add");
  EXPECT_THAT(model->values()[1].inputs, ElementsAre(0));
  EXPECT_THAT(model->values()[3].inputs, ElementsAre(2, 0));
  EXPECT_EQ(model->values()[0].layer, -1);
}

TEST_F(TracedModelTest, LeavesWeightsInAnotherFormOut) {
  folder_.Write("weights.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
    g (float[n, 300] x) => (float[n, 300] y)
    <float[300, 300] large, float[3] small>
    {
      t = Transpose(large)
      i = Identity(t)
      s = Neg(small)
      z = Neg(x)
      y = MatMul(z, i)
    })")
                                    .SerializeAsString());
  const auto model = TracedModel::Load(folder_ / "weights.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<std::string> names;
  for (const TracedValue& value : model->values()) names.push_back(value.name);
  EXPECT_THAT(names, ElementsAre("s", "z", "y"));
}

TEST_F(TracedModelTest, AddsOutputsOnce) {
  const auto model = TracedModel::Load(folder_ / "model.onnx");
  const auto source = model->WithOutputs({1, 3});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->path, folder_ / "model.onnx");
  onnx::ModelProto changed;
  ASSERT_TRUE(changed.ParseFromString(*source->bytes));
  ASSERT_EQ(changed.graph().output_size(), 2);
  EXPECT_EQ(changed.graph().output(0).name(), "y");
  EXPECT_EQ(changed.graph().output(1).name(), "h");
}

TEST_F(TracedModelTest, RefusesWhatIsNoModel) {
  folder_.Write("bad.onnx", "no model");
  EXPECT_EQ(KindOf(TracedModel::Load(folder_ / "bad.onnx").status()), ErrorKind::kModel);
  EXPECT_EQ(KindOf(TracedModel::Load(folder_ / "none.onnx").status()), ErrorKind::kModel);
}

}  // namespace
}  // namespace onnxquant
