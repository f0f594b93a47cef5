#include "lib/formats/node_proto.h"

#include "gmock/gmock.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

TEST(NodeProto, IsMadeOfOperatorNameInputsAndOutputs) {
  const onnx::NodeProto node = MakeNode("Mul", "m", {"a", "b"}, {"c"});
  EXPECT_EQ(node.op_type(), "Mul");
  EXPECT_EQ(node.name(), "m");
  EXPECT_THAT(node.input(), ElementsAre("a", "b"));
  EXPECT_THAT(node.output(), ElementsAre("c"));
}

TEST(NodeProto, AnAttributeThatIsThereIsChanged) {
  onnx::NodeProto node;
  SetFloat(node, "min", -1);
  SetFloat(node, "max", 1);
  SetFloat(node, "min", -0.5F);
  ASSERT_EQ(node.attribute_size(), 2);
  EXPECT_EQ(node.attribute(0).name(), "min");
  EXPECT_EQ(node.attribute(0).type(), onnx::AttributeProto::FLOAT);
  EXPECT_EQ(node.attribute(0).f(), -0.5F);
  EXPECT_EQ(node.attribute(1).f(), 1);
}

TEST(NodeProto, IntegersTakeThePlaceOfThoseThatWereThere) {
  onnx::NodeProto node;
  SetInts(node, "perm", {0, 2, 1});
  SetInts(node, "perm", {1, 0});
  ASSERT_EQ(node.attribute_size(), 1);
  EXPECT_EQ(node.attribute(0).type(), onnx::AttributeProto::INTS);
  EXPECT_THAT(node.attribute(0).ints(), ElementsAre(1, 0));
}

TEST(NodeProto, ATensorIsAnAttribute) {
  onnx::NodeProto node;
  onnx::TensorProto tensor;
  tensor.add_dims(3);
  SetTensor(node, "value", tensor);
  ASSERT_EQ(node.attribute_size(), 1);
  EXPECT_EQ(node.attribute(0).type(), onnx::AttributeProto::TENSOR);
  EXPECT_THAT(node.attribute(0).t().dims(), ElementsAre(3));
}

}  // namespace
}  // namespace onnxquant
