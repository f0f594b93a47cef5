#include "lib/rewrite/graph_writer.h"

#include <utility>

#include "gmock/gmock.h"
#include "lib/formats/node_proto.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

TakenNames Taken() {
  TakenNames taken;
  static const std::string x = "x";
  static const std::string node = "node";
  taken.values.Insert(x);
  taken.nodes.Insert(node);
  return taken;
}

onnx::NodeProto Named(const std::string& name) {
  return MakeNode("Sqrt", name, {"x"}, {"y"});
}

template <typename Protos>
std::vector<std::string> Names(const Protos& protos) {
  std::vector<std::string> names;
  for (const auto& proto : protos) names.push_back(proto.name());
  return names;
}

TEST(GraphWriter, GivesNamesThatNothingElseHas) {
  GraphWriter writer({}, Taken(), kSealedAtOnce);
  EXPECT_EQ(writer.UniqueValue("x"), "x_2");
  EXPECT_EQ(writer.UniqueValue("x"), "x_3");
  EXPECT_EQ(writer.UniqueValue("node"), "node");
  EXPECT_EQ(writer.UniqueNode("node"), "node_2");
}

TEST(GraphWriter, AddsNodesToTheGraphThatIsOpen) {
  GraphWriter writer({}, Taken(), kSealedAtOnce);
  onnx::GraphProto body;
  writer.AddNode(Named("a"));
  writer.Open(1, body);
  EXPECT_THAT(writer.open(), ElementsAre(kMainScope, 1));
  writer.AddNode(Named("b"));
  writer.Close();
  writer.AddNode(Named("c"));
  EXPECT_THAT(Names(body.node()), ElementsAre("b"));
  EXPECT_THAT(Names(std::move(writer).Finish().result.model.graph().node()), ElementsAre("a", "c"));
}

TEST(GraphWriter, SealsTheNodesOfTheMainGraphWhereThereAreManyAndNoneOfABody) {
  GraphWriter writer({}, Taken(), 2);
  onnx::GraphProto body;
  const auto add = [&](const char* name) {
    writer.AddNode(Named(name));
    writer.SealIfMany();
  };
  add("a");
  writer.Open(1, body);
  for (const char* name : {"x", "y", "z"}) add(name);
  writer.Close();
  for (const char* name : {"b", "c"}) add(name);
  EXPECT_THAT(Names(body.node()), ElementsAre("x", "y", "z"));
  const GraphWriter::Written written = std::move(writer).Finish();
  EXPECT_THAT(Names(written.result.model.graph().node()), ElementsAre("c"));
  std::vector<std::string> sealed;
  written.sealed.ForEach([&](const onnx::NodeProto& node) { sealed.push_back(node.name()); });
  EXPECT_THAT(sealed, ElementsAre("a", "b"));
}

TEST(GraphWriter, NumbersAndMeasuresInitializersThatAreFilledLater) {
  GraphWriter writer({}, Taken(), kSealedAtOnce);
  EXPECT_EQ(writer.AddInitializer("a", ElementType::kUint4, {3, 3}), 0);
  EXPECT_EQ(writer.AddInitializer("b", ElementType::kInt64, {}, true), 1);
  const Rewritten result = std::move(writer).Finish().result;
  EXPECT_THAT(result.bytes, ElementsAre(5U, 8U));
  EXPECT_THAT(result.keep_inline, ElementsAre(false, true));
  EXPECT_THAT(result.model.graph().initializer(0).dims(), ElementsAre(3, 3));
}

TEST(GraphWriter, ImportsADomainOnce) {
  Rewritten result;
  result.model.add_opset_import()->set_version(21);
  GraphWriter writer(std::move(result), Taken(), kSealedAtOnce);
  writer.RequireOpset("", 13);
  writer.RequireOpset("com.microsoft", 1);
  writer.RequireOpset("com.microsoft", 1);
  const onnx::ModelProto model = std::move(writer).Finish().result.model;
  ASSERT_EQ(model.opset_import_size(), 2);
  EXPECT_EQ(model.opset_import(0).version(), 21);
  EXPECT_EQ(model.opset_import(1).domain(), "com.microsoft");
  EXPECT_EQ(model.opset_import(1).version(), 1);
}

// Values are named after how often something was made.
class OnceTest : public ::testing::Test {
 protected:
  std::string Once(const std::string& key, Look look = Look::kAround) {
    return writer_.Once(
        key, [&] { return std::to_string(++made_); }, look);
  }

  GraphWriter writer_{{}, Taken(), kSealedAtOnce};
  int made_ = 0;
};

TEST_F(OnceTest, WhatStandsAlreadyIsNotMadeAgain) {
  EXPECT_EQ(Once("Quantize x"), "1");
  EXPECT_EQ(Once("Quantize x"), "1");
  EXPECT_EQ(Once("Quantize y"), "2");
}

TEST_F(OnceTest, ABodyReadsWhatStandsAroundItAndNotWhatItsSiblingsMade) {
  onnx::GraphProto body;
  EXPECT_EQ(Once("Quantize x"), "1");
  writer_.Open(1, body);
  EXPECT_EQ(Once("Quantize x"), "1");
  EXPECT_EQ(Once("Quantize y"), "2");
  writer_.Close();
  writer_.Open(2, body);
  EXPECT_EQ(Once("Quantize y"), "3");
  writer_.Close();
  EXPECT_EQ(Once("Quantize y"), "4");
}

TEST_F(OnceTest, HereABodyMakesItsOwn) {
  onnx::GraphProto body;
  EXPECT_EQ(Once("Mul x"), "1");
  writer_.Open(1, body);
  EXPECT_EQ(Once("Mul x", Look::kHere), "2");
  EXPECT_EQ(Once("Mul x", Look::kHere), "2");
}

}  // namespace
}  // namespace onnxquant
