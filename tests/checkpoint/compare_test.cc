#include "lib/checkpoint/compare.h"

#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/checkpoint/files.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(random);
  return numbers;
}

// A model that reads each of the weights.
onnx::ModelProto ModelOf(const std::vector<TensorToWrite>& weights) {
  std::string nodes;
  for (const TensorToWrite& weight : weights) {
    nodes += "  " + weight.name + "_read = Mul(" + weight.name + ", x)\n";
    nodes += "  " + weight.name + "_sum = ReduceSum(" + weight.name + "_read)\n";
  }
  onnx::ModelProto model =
      ParseModel("<ir_version: 10, opset_import: [\"\" : 21]>\ng (float[1] x) => (float y) {\n" +
                 nodes + "  y = Identity(x)\n}");
  for (const TensorToWrite& weight : weights) {
    onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name(weight.name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t dim : weight.shape) tensor.add_dims(dim);
    for (const float value : weight.values) tensor.add_float_data(value);
  }
  return model;
}

class CompareTest : public ::testing::Test {
 protected:
  CheckpointComparison Compared(const std::vector<TensorToWrite>& graph,
                                const std::vector<TensorToWrite>& tensors, int threads = 1) {
    const std::string path = Write(folder_ / "c.safetensors", Safetensors(tensors));
    const auto model = Model::FromProto(ModelOf(graph), "m.onnx");
    EXPECT_TRUE(model.ok()) << model.status();
    const auto analysis = Analyze(model->proto(), "m.onnx");
    EXPECT_TRUE(analysis.ok()) << analysis.status();
    auto comparison = CompareWithCheckpoint(*analysis, *model, path, threads);
    EXPECT_TRUE(comparison.ok()) << comparison.status();
    return *std::move(comparison);
  }

  TempFolder folder_;
};

TEST_F(CompareTest, OfEqualTensorsTheNamesDecide) {
  const std::vector<float> ones(32, 1.0F);
  const auto compared = Compared({{"layer_0_norm", {32}, ones}, {"layer_1_norm", {32}, ones}},
                                 {{"blk.1.norm", {32}, ones}, {"blk.0.norm", {32}, ones}});
  EXPECT_THAT(compared.tensors[0].graph, ElementsAre("layer_0_norm"));
  EXPECT_THAT(compared.tensors[1].graph, ElementsAre("layer_1_norm"));
  EXPECT_FALSE(compared.Lost());
  EXPECT_TRUE(compared.only_in_graph.empty());
}

TEST_F(CompareTest, ATiedHeadIsReplaced) {
  const std::vector<float> table = Numbers(160, 1);
  std::vector<float> head = table;
  for (std::size_t i = 0; i < head.size(); ++i) head[i] += i % 3 == 0 ? 0.01F : 0.0F;
  const auto compared = Compared({{"w", {20, 8}, table}},
                                 {{"embed", {20, 8}, table}, {"lm_head.weight", {20, 8}, head}});
  EXPECT_EQ(compared.tensors[0].fate, TensorFate::kEqual);
  EXPECT_EQ(compared.tensors[1].fate, TensorFate::kReplaced);
  EXPECT_EQ(compared.tensors[1].instead, "embed");
  EXPECT_THAT(Words(compared)[0], HasSubstr("replaced: 'lm_head.weight' (F32 [20,8]) is lost"));
}

TEST_F(CompareTest, AWeightThatWasTrainedOnDiffers) {
  std::vector<float> trained = Numbers(160, 1);
  for (float& value : trained) value *= 1.1F;
  trained[3] += 0.02F;
  const auto compared =
      Compared({{"w", {20, 8}, Numbers(160, 1)}}, {{"w.weight", {20, 8}, trained}});
  EXPECT_EQ(compared.tensors[0].fate, TensorFate::kDiffers);
  EXPECT_NEAR(compared.tensors[0].difference.Relative(), 0.1, 0.05);
  EXPECT_THAT(Words(compared)[0], HasSubstr("differs: 'w.weight' from 'w'"));
}

TEST_F(CompareTest, WhatIsNowhereIsMissingAndWhatIsMoreIsNamed) {
  const auto compared =
      Compared({{"v", {8, 4}, Numbers(32, 2)}}, {{"w", {20, 8}, Numbers(160, 1)}});
  EXPECT_EQ(compared.tensors[0].fate, TensorFate::kMissing);
  EXPECT_THAT(compared.only_in_graph, ElementsAre("v"));
  EXPECT_THAT(Words(compared)[0], HasSubstr("missing: 'w'"));
}

TEST_F(CompareTest, PartsOfVectorsAndMatricesAreFused) {
  std::vector<float> weight = Numbers(160, 1);
  std::vector<float> bias = Numbers(20, 2);
  const auto compared = Compared({{"w", {20, 8}, weight}, {"b", {20}, bias}},
                                 {{"k.bias", {8}, {bias.begin() + 12, bias.end()}},
                                  {"k.weight", {8, 8}, {weight.begin() + 96, weight.end()}},
                                  {"q.bias", {12}, {bias.begin(), bias.begin() + 12}},
                                  {"q.weight", {12, 8}, {weight.begin(), weight.begin() + 96}}});
  for (const ComparedTensor& tensor : compared.tensors) {
    EXPECT_EQ(tensor.fate, TensorFate::kEqual) << tensor.name;
  }
  EXPECT_THAT(compared.tensors[0].how, ElementsAre("fused: rows 12 … 19"));
  EXPECT_THAT(compared.tensors[1].how, ElementsAre("fused: rows 12 … 19"));
}

TEST_F(CompareTest, IsTheSameForEveryNumberOfThreads) {
  const std::vector<TensorToWrite> tensors = {{"a", {20, 8}, Numbers(160, 1)},
                                              {"b", {20, 8}, Numbers(160, 2)},
                                              {"c", {8, 8}, Numbers(64, 3)}};
  const std::string one = ToJson(Compared(tensors, tensors, 1));
  EXPECT_EQ(one, ToJson(Compared(tensors, tensors, 7)));
  const auto json = nlohmann::json::parse(one);
  EXPECT_EQ(json["lost"], false);
  EXPECT_EQ(json["counts"]["equal"], 3);
  EXPECT_EQ(json["tensors"][0]["relative"], 0);
}

}  // namespace
}  // namespace onnxquant
