#include "lib/statistics/fingerprint.h"

#include <algorithm>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using Change = std::function<void(onnx::GraphProto&)>;

// With a small and a large weight.
onnx::ModelProto MadeModel() {
  return ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[n, 64] x) => (float[n, 8] y) <float[64, 512] a, float[512, 8] b, float[8] c> {
        p = MatMul(x, a)  r = Relu(p)  q = MatMul(r, b)  y = Add(q, c) })");
}

// Of the model, changed.
std::string Fingerprint(const Change& change) {
  onnx::ModelProto proto = MadeModel();
  change(*proto.mutable_graph());
  const auto model = Model::FromProto(proto, "m");
  EXPECT_TRUE(model.ok()) << model.status();
  const auto graph = Graph::Build(model->proto(), "m");
  EXPECT_TRUE(graph.ok()) << graph.status();
  const auto types = InferTypes(*graph, "m");
  const auto targets = FindTargets(*graph, *types, "m");
  EXPECT_TRUE(targets.ok()) << targets.status();
  const auto fingerprint = FingerprintOf(*model, *graph, *targets);
  EXPECT_TRUE(fingerprint.ok()) << fingerprint.status();
  return fingerprint.value_or("");
}

// Adds to the elements of an initializer.
Change Shift(int tensor, float by, int first, int last) {
  return [=](onnx::GraphProto& graph) {
    auto& values = *graph.mutable_initializer(tensor)->mutable_float_data();
    for (int i = first; i < std::min(last, values.size()); ++i) values[i] += by;
  };
}

const Change kNothing = [](onnx::GraphProto&) {};

TEST(Fingerprint, IsSixteenDigitsAndTheSameEachTime) {
  EXPECT_EQ(Fingerprint(kNothing).size(), 16U);
  EXPECT_EQ(Fingerprint(kNothing), Fingerprint(kNothing));
}

TEST(Fingerprint, OfAFileIsThatOfTheModelInIt) {
  const TempFolder folder;
  folder.Write("m.onnx", MadeModel().SerializeAsString());
  const auto of_file = FingerprintOfFile(folder / "m.onnx");
  ASSERT_TRUE(of_file.ok()) << of_file.status();
  EXPECT_EQ(*of_file, Fingerprint(kNothing));
  EXPECT_FALSE(FingerprintOfFile(folder / "none.onnx").ok());
}

TEST(Fingerprint, TellsWeightsApart) {
  const std::string before = Fingerprint(kNothing);
  EXPECT_NE(Fingerprint(Shift(1, 1e-3F, 5, 6)), before);
  EXPECT_NE(Fingerprint(Shift(0, 1e-3F, 0, 1 << 30)), before);
  // The last stretch of a large one.
  EXPECT_NE(Fingerprint(Shift(0, 1e-3F, 64 * 512 - 1, 1 << 30)), before);
}

TEST(Fingerprint, TellsValuesApart) {
  EXPECT_NE(Fingerprint([](onnx::GraphProto& graph) {
              graph.mutable_node(1)->set_output(0, "other");
              graph.mutable_node(2)->set_input(0, "other");
            }),
            Fingerprint(kNothing));
}

TEST(Fingerprint, DoesNotCareForWhatIsNotObserved) {
  EXPECT_EQ(Fingerprint(Shift(2, 1, 0, 1 << 30)), Fingerprint(kNothing));
  EXPECT_EQ(Fingerprint([](onnx::GraphProto& graph) { graph.mutable_node(0)->set_name("n"); }),
            Fingerprint(kNothing));
}

}  // namespace
}  // namespace onnxquant
