#include "lib/inspect/graph_bytes.h"

#include <numeric>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kText[] = R"(<ir_version: 10, opset_import: ["" : 21]>
  g (float[n, 4] x, bool b) => (float[n, 4] y) <float[4, 4] w, float[n, 4] z> {
    [first] z = MatMul(x, w)
    [second] y = If (b) <
      then_branch = t () => (float[n, 4] p) { [inner] p = Neg(z) },
      else_branch = e () => (float[n, 4] q) { q = Identity(z) }>
  })";

onnx::ModelProto Sample() {
  return ParseModel(kText);
}

absl::StatusOr<GraphBytes> Measure(const std::string& file) {
  return MeasureGraphBytes(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(file.data()), file.size()));
}

GraphBytes Measure(const onnx::ModelProto& model) {
  const auto bytes = Measure(model.SerializeAsString());
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  const GraphBytes result = bytes.value_or(GraphBytes());
  EXPECT_EQ(std::accumulate(result.bytes.begin(), result.bytes.end(), std::uint64_t{0}),
            result.total);
  EXPECT_EQ(result.total, model.ByteSizeLong());
  return result;
}

TEST(GraphBytesTest, GivesEachByteToOnePart) {
  const GraphBytes bytes = Measure(Sample());
  for (const GraphPartName& part : GraphPartNames()) {
    if (part.part != GraphPart::kMetadata && part.part != GraphPart::kValueInfo) {
      EXPECT_GT(bytes.Of(part.part), 0U) << part.name;
    }
  }
  EXPECT_EQ(bytes.CountOf(GraphPart::kOperators), 4U);  // those of bodies too
  EXPECT_EQ(bytes.CountOf(GraphPart::kNodeNames), 3U);
  EXPECT_EQ(bytes.CountOf(GraphPart::kValueNames), 9U);
  EXPECT_EQ(bytes.CountOf(GraphPart::kHeaders), 1U);
}

TEST(GraphBytesTest, NamesWhatMakesAFileLarger) {
  const auto grown_in = [](auto change) {
    onnx::ModelProto model = Sample();
    const GraphBytes before = Measure(model);
    change(model);
    const GraphBytes after = Measure(model);
    std::vector<GraphPart> parts;
    for (const GraphPartName& part : GraphPartNames()) {
      // A longer message has a longer length before it, where it passes 127 bytes.
      if (after.Of(part.part) > before.Of(part.part) + 2) parts.push_back(part.part);
    }
    EXPECT_EQ(parts.size(), 1U);
    return parts.front();
  };
  const std::string text(50, 'x');
  const auto node = [](onnx::ModelProto& model) { return model.mutable_graph()->mutable_node(0); };
  EXPECT_EQ(grown_in([&](auto& m) { node(m)->set_name(text); }), GraphPart::kNodeNames);
  EXPECT_EQ(grown_in([&](auto& m) { node(m)->add_input(text); }), GraphPart::kValueNames);
  EXPECT_EQ(grown_in([&](auto& m) { node(m)->set_op_type(text); }), GraphPart::kOperators);
  EXPECT_EQ(grown_in([&](auto& m) { node(m)->add_attribute()->set_s(text); }),
            GraphPart::kAttributes);
  EXPECT_EQ(grown_in([&](auto& m) { node(m)->set_doc_string(text); }), GraphPart::kMetadata);
  EXPECT_EQ(grown_in([&](auto& m) { m.set_producer_name(text); }), GraphPart::kMetadata);
  EXPECT_EQ(grown_in([&](auto& m) { m.mutable_graph()->set_name(text); }), GraphPart::kOther);
  EXPECT_EQ(grown_in([&](auto& m) { m.mutable_graph()->add_value_info()->set_name(text); }),
            GraphPart::kValueInfo);
  EXPECT_EQ(grown_in([&](auto& m) { m.mutable_graph()->add_input()->set_name(text); }),
            GraphPart::kInterface);
  const auto weight = [](onnx::ModelProto& m) { return m.mutable_graph()->mutable_initializer(0); };
  EXPECT_EQ(grown_in([&](auto& m) { weight(m)->set_name(text); }), GraphPart::kHeaders);
  EXPECT_EQ(grown_in([&](auto& m) { weight(m)->add_external_data()->set_value(text); }),
            GraphPart::kHeaders);
  EXPECT_EQ(grown_in([&](auto& m) {
              weight(m)->clear_float_data();
              weight(m)->set_raw_data(std::string(500, 'x'));
            }),
            GraphPart::kPayloads);
}

TEST(GraphBytesTest, AddsUpToTheFileWhereWeightsAreInIt) {
  const TempFolder folder;
  onnx::ModelProto model = Sample();
  onnx::TensorProto& weight = *model.mutable_graph()->mutable_initializer(0);
  weight.clear_float_data();
  weight.set_dims(1, 4096);  // large enough to be taken out before the file is parsed
  weight.set_raw_data(std::string(4 * 4 * 4096, '\0'));
  folder.Write("m.onnx", model.SerializeAsString());
  const auto loaded = Model::Load(folder / "m.onnx");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto bytes = MeasureGraphBytes(*loaded);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(bytes->total, loaded->file_bytes());
  EXPECT_EQ(std::accumulate(bytes->bytes.begin(), bytes->bytes.end(), std::uint64_t{0}),
            bytes->total);
  EXPECT_GE(bytes->Of(GraphPart::kPayloads), 4U * 4 * 4096);
}

TEST(GraphBytesTest, MeasuresAModelThatWasNeverAFile) {
  const auto model = Model::FromProto(Sample(), "m.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(MeasureGraphBytes(*model)->total, Sample().ByteSizeLong());
}

TEST(GraphBytesTest, RefusesDamagedData) {
  std::string file = Sample().SerializeAsString();
  file.resize(file.size() - 5);
  EXPECT_EQ(KindOf(Measure(file).status()), ErrorKind::kModel);
}

TEST(GraphBytesWordsTest, SaysTheLargestPartsFirst) {
  GraphBytes one;
  one.total = 10000;
  GraphBytes two = one;
  EXPECT_EQ(GraphBytesWords(one, two), "");
  const auto set = [&two](GraphPart part, std::uint64_t bytes) {
    two.bytes[static_cast<std::size_t>(part)] = bytes;
    two.total += bytes;
  };
  set(GraphPart::kNodeNames, 1000);
  set(GraphPart::kAttributes, 2500);
  set(GraphPart::kOther, 10);
  EXPECT_EQ(GraphBytesWords(one, two),
            "B's .onnx file is 3,510 bytes larger (A: 10,000, B: 13,510): 2,500 more for "
            "attributes of nodes, 1,000 more for names of nodes; no weights are among it");
  EXPECT_THAT(GraphBytesWords(two, one), StartsWith("B's .onnx file is 3,510 bytes smaller"));
  EXPECT_THAT(GraphBytesWords(two, one), HasSubstr("2,500 fewer for attributes of nodes"));
  set(GraphPart::kPayloads, 90000);
  EXPECT_THAT(GraphBytesWords(one, two), EndsWith("90,000 more for weights inside the file"));
}

}  // namespace
}  // namespace onnxquant
