#include "lib/calibrate/observed_model.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

class ObservedModelTest : public ::testing::Test {
 protected:
  ObservedModelTest() {
    folder_.Write("m.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
        g (float[n, 4] x, bool b) => (float[n, 8] logits, float[n, 4] present)
        <float[4, 8] w> {
          a = Relu(x)
          big = MatMul(a, w)
          captured = Neg(x)
          unread = Exp(x)
          present = If(b) <then_branch = g1 () => (float[n, 4] t) { t = Identity(captured) },
                           else_branch = g2 () => (float[n, 4] e) { e = Neg(x) }>
          logits = Tanh(big) })")
                                .SerializeAsString());
  }
  // Operators and outputs of the view.
  std::vector<std::string> View(const std::vector<std::string>& values, bool logits,
                                RowsAlong along = {}) {
    const auto model = ObservedModel::Load(folder_ / "m.onnx");
    EXPECT_TRUE(model.ok()) << model.status();
    std::vector<ObservedModel::Observed> observed;
    for (const std::string& value : values) observed.push_back({value, along});
    const auto view = model->WithOutputs(observed, logits);
    if (!view.ok()) return {std::string(view.status().message())};
    outputs_ = view->outputs;
    onnx::ModelProto proto;
    EXPECT_TRUE(proto.ParseFromString(*view->source.bytes));
    std::vector<std::string> found;
    for (const auto& node : proto.graph().node()) found.push_back(node.op_type());
    for (const auto& output : proto.graph().output()) found.push_back(output.name());
    return found;
  }
  TempFolder folder_;
  std::vector<std::string> outputs_;
};

TEST_F(ObservedModelTest, GivesValuesBesideItsOwnOutputs) {
  EXPECT_THAT(View({"a", "big"}, true), ElementsAre("Relu", "MatMul", "Neg", "Exp", "If", "Tanh",
                                                    "logits", "present", "a", "big"));
  EXPECT_THAT(outputs_, ElementsAre("a", "big"));
}

TEST_F(ObservedModelTest, ComputesWithoutLogitsOnlyWhatIsNeeded) {
  EXPECT_THAT(View({"a"}, false), ElementsAre("Relu", "Neg", "If", "present", "a"));
}

TEST_F(ObservedModelTest, CopiesAnInputOfTheGraph) {
  EXPECT_THAT(View({"x"}, false), ElementsAre("Neg", "If", "Identity", "present", "x/observed"));
  EXPECT_THAT(outputs_, ElementsAre("x/observed"));
}

TEST_F(ObservedModelTest, TurnsAValueWhoseRowsLieAlongAnotherAxis) {
  EXPECT_THAT(View({"a"}, false, {0, 2}),
              ElementsAre("Relu", "Neg", "If", "Transpose", "present", "a/observed"));
  EXPECT_THAT(outputs_, ElementsAre("a/observed"));
}

TEST_F(ObservedModelTest, KnowsTheVocabulary) {
  EXPECT_EQ(ObservedModel::Load(folder_ / "m.onnx")->vocabulary(), 8);
  folder_.Write("m.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[n, v] x) => (float[n, v] logits) { logits = Relu(x) })")
                              .SerializeAsString());
  EXPECT_EQ(ObservedModel::Load(folder_ / "m.onnx")->vocabulary(), -1);
}

TEST_F(ObservedModelTest, GivesAnOutputOnce) {
  EXPECT_THAT(View({"present"}, false), ElementsAre("Neg", "If", "present"));
}

}  // namespace
}  // namespace onnxquant
