#include "lib/model/prepare.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kLeast = 6;

TEST(Prepare, LeavesAPlainModelAlone) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { y = Sqrt(x) })");
  const std::string before = model.SerializeAsString();
  const auto notes = Prepare(model, "m.onnx", kLeast);
  ASSERT_TRUE(notes.ok()) << notes.status();
  EXPECT_THAT(*notes, IsEmpty());
  EXPECT_EQ(model.SerializeAsString(), before);
}

TEST(Prepare, InlinesLocalFunctionsUnderUniqueNodeNames) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
g (float[4] x) => (float[4] z) {
  y = mine.Root(x)
  z = mine.Root(y)
}
<domain: "mine", opset_import: ["" : 21]>
Root (a) => (b) { [root] b = Sqrt(a) })");
  const auto notes = Prepare(model, "m.onnx", kLeast);
  ASSERT_TRUE(notes.ok()) << notes.status();
  EXPECT_THAT(*notes, ElementsAre("1 of 1 local functions were inlined"));
  ASSERT_EQ(model.graph().node_size(), 2);
  EXPECT_EQ(model.graph().node(0).op_type(), "Sqrt");
  EXPECT_NE(model.graph().node(0).name(), model.graph().node(1).name());
}

TEST(Prepare, GivesNodesOfOneNameNamesOfTheirOwn) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) {
  [same] a = Sqrt(x)
  [same] b = Sqrt(a)
  [same_2] c = Sqrt(b)
  z = Sqrt(c)
})");
  const auto notes = Prepare(model, "m.onnx", kLeast);
  ASSERT_TRUE(notes.ok()) << notes.status();
  EXPECT_THAT(*notes, ElementsAre("1 node name was taken; that node got another"));
  EXPECT_EQ(model.graph().node(0).name(), "same");
  EXPECT_EQ(model.graph().node(1).name(), "same_3");
  EXPECT_EQ(model.graph().node(2).name(), "same_2");
  EXPECT_EQ(model.graph().node(3).name(), "");
}

TEST(Prepare, LeavesOutNodesThatNothingReads) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { a = Exp(x) b = Neg(a) y = Sqrt(x) })");
  const auto notes = Prepare(model, "m.onnx", kLeast);
  ASSERT_TRUE(notes.ok()) << notes.status();
  EXPECT_THAT(*notes, ElementsAre("2 nodes that nothing reads were left out"));
  EXPECT_EQ(model.graph().node_size(), 1);
}

TEST(Prepare, RefusesFunctionsThatCallEachOtherInACircle) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
g (float[4] x) => (float[4] z) { z = mine.A(x) }
<domain: "mine", opset_import: ["" : 21, "mine" : 1]>
A (a) => (b) { b = mine.B(a) }
<domain: "mine", opset_import: ["" : 21, "mine" : 1]>
B (a) => (b) { b = mine.A(a) })");
  const auto notes = Prepare(model, "m.onnx", kLeast);
  EXPECT_EQ(KindOf(notes.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(notes.status().message()), HasSubstr("comes to call itself"));
}

TEST(Prepare, ImportsWhatOnlyInlinedFunctionsImported) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["mine" : 1]>
g (float[4] x) => (float[4] z) { z = mine.Root(x) }
<domain: "mine", opset_import: ["" : 21, "com.microsoft" : 1]>
Root (a) => (b) { b = Sqrt(a) })");
  const auto notes = Prepare(model, "m.onnx", kLeast);
  ASSERT_TRUE(notes.ok()) << notes.status();
  ASSERT_EQ(model.opset_import_size(), 2);
  EXPECT_EQ(model.opset_import(1).domain(), "");
  EXPECT_EQ(model.opset_import(1).version(), 21);
}

TEST(Prepare, RefusesAGraphWithoutOutputs) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { y = Sqrt(x) })");
  model.mutable_graph()->clear_output();
  const auto notes = Prepare(model, "m.onnx", kLeast);
  EXPECT_EQ(KindOf(notes.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(notes.status().message()), HasSubstr("has no outputs"));
}

TEST(Prepare, RefusesAGraphInputWithoutAType) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { y = Sqrt(x) })");
  model.mutable_graph()->mutable_input(0)->clear_type();
  const auto notes = Prepare(model, "m.onnx", kLeast);
  EXPECT_THAT(std::string(notes.status().message()), HasSubstr("graph input 'x' declares no type"));
}

TEST(Prepare, RefusesATornTensorBeforeTheConverterReadsIt) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 8, opset_import: ["" : 12]>
g (float[4] x) => (float[4] y) <float[4] w = {1, 2, 3, 4}> { y = Add(x, w) })");
  model.mutable_graph()->mutable_initializer(0)->clear_float_data();
  model.mutable_graph()->mutable_initializer(0)->set_raw_data("abc");
  const auto notes = Prepare(model, "m.onnx", 13);
  EXPECT_THAT(std::string(notes.status().message()), HasSubstr("m.onnx: initializer 'w': "));
}

TEST(Prepare, RefusesANodeThatIsNotAsItsSchemaSaysBeforeItIsConverted) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 8, opset_import: ["" : 1]>
g (float[4] x) => (float[2] y) { [cut] y = Slice<starts = [0], ends = [2]>(x) })");
  model.mutable_graph()->mutable_node(0)->mutable_attribute(1)->set_type(onnx::AttributeProto::INT);
  const auto notes = Prepare(model, "m.onnx", 13);
  EXPECT_EQ(KindOf(notes.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(notes.status().message()), HasSubstr("node 'cut' (Slice)"));
}

TEST(Prepare, OldModelsNeedNotListWeightsAmongTheirInputs) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 3, opset_import: ["" : 8]>
g (float[4] x, float[4] w) => (float[4] y) <float[4] w = {1, 2, 3, 4}> { y = Add(x, w) })");
  const auto notes = Prepare(model, "m.onnx", kLeast);
  ASSERT_TRUE(notes.ok()) << notes.status();
  EXPECT_EQ(model.ir_version(), 4);
  ASSERT_EQ(model.graph().input_size(), 1);
  EXPECT_EQ(model.graph().input(0).name(), "x");
}

TEST(Prepare, RaisesAnOpsetAndKeepsPayloadsThatStandElsewhere) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 8, opset_import: ["" : 12]>
g (float[1, 4] x) => (float[4] z) <float[1, 4] w = {1, 2, 3, 4}> {
  y = Add(x, w)
  z = Squeeze<axes = [0]>(y)
})");
  onnx::TensorProto& tensor = *model.mutable_graph()->mutable_initializer(0);
  tensor.clear_float_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto* entry = tensor.add_external_data();
  entry->set_key("location");
  entry->set_value("m.data");
  const auto notes = Prepare(model, "m.onnx", 13);
  ASSERT_TRUE(notes.ok()) << notes.status();
  EXPECT_THAT(*notes, ElementsAre("opset raised from 12 to 13"));
  EXPECT_EQ(model.opset_import(0).version(), 13);
  bool found = false;
  for (const onnx::TensorProto& kept : model.graph().initializer()) {
    if (kept.name() != "w") continue;
    found = true;
    EXPECT_EQ(kept.external_data(0).value(), "m.data");
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace onnxquant
