#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DataFaultsTest : public CheckTest {
 protected:
  // Two weights of 16 bytes each: 'w' in `first`, 'v' in `second` at `offset`.
  void Write(const std::string& first, const std::string& second, const std::string& offset,
             const std::string& length = "16") {
    onnx::ModelProto model = Text(
        "(float[4] x) => (float[4] y) <float[4] w, float[4] v> {\n"
        "  m = Add(x, w)\n  y = Add(m, v)\n}");
    Place(*model.mutable_graph()->mutable_initializer(0), first, "0", length);
    Place(*model.mutable_graph()->mutable_initializer(1), second, offset, "16");
    std::string bytes;
    ASSERT_TRUE(SerializeModel(model, &bytes).ok());
    folder_.Write("model.onnx", bytes);
  }

  static void Place(onnx::TensorProto& tensor, const std::string& file, const std::string& offset,
                    const std::string& length) {
    tensor.clear_float_data();
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    const std::pair<const char*, std::string> entries[] = {
        {"location", file}, {"offset", offset}, {"length", length}};
    for (const auto& [key, value] : entries) {
      auto* entry = tensor.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
  }
};

TEST_F(DataFaultsTest, WholeDataAreRight) {
  Write("data", "data", "16");
  folder_.Write("data", std::string(32, 'a'));
  EXPECT_THAT(CheckFile("model.onnx").findings, IsEmpty());
}

TEST_F(DataFaultsTest, EveryMissingFileIsAFinding) {
  Write("a.data", "b.data", "0");
  CheckFile("model.onnx");
  ASSERT_THAT(Kinds(), ElementsAre("damaged_data", "damaged_data"));
  EXPECT_EQ(result_.findings[0].place, folder_ / "a.data");
  EXPECT_EQ(result_.findings[1].place, folder_ / "b.data");
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("initializer 'w': external data file"));
  EXPECT_THAT(result_.findings[0].remedy, HasSubstr("beside the model"));
  EXPECT_THAT(result_.command, IsEmpty());
}

TEST_F(DataFaultsTest, AShortFileNamesAllItsTensors) {
  Write("data", "data", "16");
  folder_.Write("data", "short");
  CheckFile("model.onnx");
  ASSERT_THAT(Kinds(), ElementsAre("damaged_data"));
  EXPECT_EQ(result_.findings[0].count, 2);
  EXPECT_THAT(result_.findings[0].places, ElementsAre("initializer 'w'", "initializer 'v'"));
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("ends beyond"));
}

TEST_F(DataFaultsTest, ALengthThatIsNotTheShapesIsAFinding) {
  Write("data", "data", "16", "12");
  folder_.Write("data", std::string(32, 'a'));
  CheckFile("model.onnx");
  ASSERT_THAT(Kinds(), ElementsAre("damaged_data"));
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("ask for 16 bytes"));
}

TEST_F(DataFaultsTest, TensorsThatOverlapAreAFinding) {
  Write("data", "data", "8");
  folder_.Write("data", std::string(32, 'a'));
  CheckFile("model.onnx");
  ASSERT_THAT(Kinds(), ElementsAre("damaged_data"));
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("overlap in 'data'"));
}

TEST_F(DataFaultsTest, AnInlineTensorOfTheWrongLengthIsAFinding) {
  onnx::ModelProto model = Text("(float[4] x) => (float[4] y) <float[4] w> { y = Add(x, w) }");
  model.mutable_graph()->mutable_initializer(0)->add_float_data(1);
  Check(model);
  ASSERT_THAT(Kinds(), ElementsAre("damaged_data"));
  EXPECT_EQ(result_.findings[0].place, folder_ / "model_fp16.onnx");
}

TEST_F(DataFaultsTest, WhatElseIsWrongIsFoundBesideIt) {
  onnx::ModelProto model =
      InHalf(Text("(float[n, 4] x) => (float[n, 4] y) <float[4] wide_gain> {\n"
                  "  [norm] y = LayerNormalization(x, wide_gain)\n}"));
  Place(*model.mutable_graph()->mutable_initializer(0), "gone", "0", "16");
  Check(model);
  EXPECT_THAT(Kinds(), ElementsAre("damaged_data", "mixed_norm"));
  // A conversion would mend the norm, but cannot read the data.
  EXPECT_THAT(result_.command, IsEmpty());
}

}  // namespace
}  // namespace onnxquant
