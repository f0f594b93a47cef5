#include "lib/rewrite/rope_tables.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "lib/rewrite/materialize.h"
#include "tests/rewrite/rewrite_fixture.h"
#include "tests/support/rope_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kTwoLayers[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
  g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
  <float[64, 4] c, float[64, 4] s, float[64, 4] c2, float[64, 4] s2> {
    a = com.microsoft.RotaryEmbedding(x, at, c, s)
    y = com.microsoft.RotaryEmbedding(a, at, c2, s2)
  })";
const std::vector<float> kFrequencies = {1.0F, 0.1F, 0.01F, 0.001F};

class MemorySink : public TensorSink {
 public:
  explicit MemorySink(const Rewritten& rewritten) {
    for (const std::uint64_t bytes : rewritten.bytes) payloads.emplace_back(bytes);
  }
  absl::Status Write(int initializer, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    std::vector<std::byte>& payload = payloads.at(static_cast<std::size_t>(initializer));
    if (offset + bytes.size() > payload.size()) return absl::InternalError("beyond the end");
    std::memcpy(payload.data() + offset, bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  std::vector<std::vector<std::byte>> payloads;
};

class RopeTablesTest : public RewriteFixture {
 protected:
  void LoadProto(onnx::ModelProto proto) {
    auto model = Model::FromProto(std::move(proto), "m.onnx");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = std::make_unique<Model>(*std::move(model));
    auto analysis = Analyze(model_->proto(), "m.onnx");
    ASSERT_TRUE(analysis.ok()) << analysis.status();
    analysis_.emplace(*std::move(analysis));
  }
  void LoadTwoLayers(const std::vector<float>& second, float factor = 1) {
    onnx::ModelProto model = ParseModel(kTwoLayers);
    AddRopeTables("c", "s", kFrequencies, 64, model);
    AddRopeTables("c2", "s2", second, 64, model, factor);
    LoadProto(std::move(model));
  }

  Rewritten RunWith(const std::string& type, const std::string& set) {
    const std::string fields = "{compute: " + type + ", weights: " + type + ", io: " + type +
                               ", rope_cache: " + set + "}\n";
    const auto policy =
        ParsePolicy("policy: 1\nname: test\noutputs:\n  fp16: " + fields, "test.yaml");
    EXPECT_TRUE(policy.ok()) << policy.status();
    auto plans = MakePlans(*analysis_, *policy, {}, "m.onnx", {model_.get(), {}});
    EXPECT_TRUE(plans.ok()) << plans.status();
    plan_ = plans->front();
    auto rewritten = Rewrite(*model_, *analysis_, plan_);
    EXPECT_TRUE(rewritten.ok()) << rewritten.status();
    return *std::move(rewritten);
  }

  std::map<std::string, std::vector<float>> Fill(const Rewritten& rewritten) {
    MemorySink sink(rewritten);
    const OutputToFill output{&rewritten, &sink, nullptr};
    FillOptions options;
    options.smallest_tile = 32;  // so that tables have several
    options.memory = 32;
    EXPECT_TRUE(FillTensors(*model_, {&output, 1}, options).ok());
    std::map<std::string, std::vector<float>> values;
    for (int i = 0; i < rewritten.model.graph().initializer_size(); ++i) {
      const onnx::TensorProto& tensor = rewritten.model.graph().initializer(i);
      if (tensor.data_type() != onnx::TensorProto::FLOAT) continue;
      const std::vector<std::byte>& payload = sink.payloads[static_cast<std::size_t>(i)];
      std::vector<float>& floats = values[tensor.name()];
      floats.resize(payload.size() / sizeof(float));
      std::memcpy(floats.data(), payload.data(), payload.size());
    }
    return values;
  }

  // The lines of nodes but for constants.
  static std::vector<std::string> NodesOf(const Rewritten& rewritten) {
    std::vector<std::string> lines = Lines(rewritten);
    lines.erase(std::remove_if(lines.begin(), lines.end(),
                               [](const std::string& line) { return line.find("Constant(") == 0; }),
                lines.end());
    return lines;
  }
};

TEST_F(RopeTablesTest, AFewNodesMakeTheTablesOfAPair) {
  LoadTwoLayers({1.0F, 0.2F, 0.04F, 0.008F});
  const Rewritten rewritten = RunWith("float32", "computed");
  EXPECT_THAT(
      NodesOf(rewritten),
      ElementsAre("Range(c_frequencies/first, c_frequencies/end, c_frequencies/step) -> "
                  "c_frequencies/positions",
                  "Reshape(c_frequencies/positions, c_frequencies/shape) -> c_frequencies/column",
                  "Mul(c_frequencies/column, c_frequencies) -> c_frequencies/angles",
                  "Cos(c_frequencies/angles) -> c", "Sin(c_frequencies/angles) -> s",
                  "Range(c_frequencies/first, c_frequencies/end, c_frequencies/step) -> "
                  "c2_frequencies/positions",
                  "Reshape(c2_frequencies/positions, c_frequencies/shape) -> c2_frequencies/column",
                  "Mul(c2_frequencies/column, c2_frequencies) -> c2_frequencies/angles",
                  "Cos(c2_frequencies/angles) -> c2", "Sin(c2_frequencies/angles) -> s2",
                  "RotaryEmbedding(x, at, c, s) -> a", "RotaryEmbedding(a, at, c2, s2) -> y"));
  const auto values = Fill(rewritten);
  EXPECT_EQ(values.at("c_frequencies"), kFrequencies);
  EXPECT_THAT(values, SizeIs(2));
}

TEST_F(RopeTablesTest, ReadersIn16BitsReadACastOfTheFloat32Table) {
  LoadTwoLayers(kFrequencies);
  const Rewritten rewritten = RunWith("float16", "computed");
  EXPECT_THAT(NodesOf(rewritten),
              ElementsAre(HasSubstr("Range("), HasSubstr("Reshape("), HasSubstr("Mul("),
                          "Cos(c_frequencies/angles) -> c", "Sin(c_frequencies/angles) -> s",
                          "Cast(c) -> c_float16", "Cast(s) -> s_float16",
                          "RotaryEmbedding(x, at, c_float16, s_float16) -> a",
                          "RotaryEmbedding(a, at, c_float16, s_float16) -> y"));
  EXPECT_EQ(rewritten.casts, 2);
}

TEST_F(RopeTablesTest, AFactorIsMultipliedBehindCosineAndSine) {
  LoadTwoLayers(kFrequencies, 1.25F);
  const std::vector<std::string> nodes = NodesOf(RunWith("float32", "computed"));
  EXPECT_THAT(nodes, ::testing::Contains("Mul(c2/unscaled, c2/factor) -> c2"));
  EXPECT_THAT(nodes, ::testing::Contains("Sin(c_frequencies/angles) -> s2/unscaled"));
  EXPECT_THAT(nodes, ::testing::Contains("Cos(c_frequencies/angles) -> c"));
}

TEST_F(RopeTablesTest, TheFirstRowsAreStoredBitForBit) {
  LoadTwoLayers(kFrequencies);
  const auto whole = Fill(RunWith("float32", "keep"));
  const auto part = Fill(RunWith("float32", "{positions: 10}"));
  for (const char* name : {"c", "s", "c2", "s2"}) {
    const std::vector<float>& all = whole.at(name);
    EXPECT_EQ(part.at(name), std::vector<float>(all.begin(), all.begin() + 40)) << name;
  }
}

TEST_F(RopeTablesTest, ShapesThatWereDeclaredOfTheWholeTableAreNotKept) {
  onnx::ModelProto model =
      ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
    g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
    <float[64, 4] c, float[64, 4] s> {
      c_same = Identity(c)
      y = com.microsoft.RotaryEmbedding(x, at, c_same, s)
    })");
  AddRopeTables("c", "s", kFrequencies, 64, model);
  onnx::ValueInfoProto* info = model.mutable_graph()->add_value_info();
  info->set_name("c_same");
  info->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  for (const int dim : {64, 4}) {
    info->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(dim);
  }
  LoadProto(std::move(model));
  EXPECT_EQ(RunWith("float32", "keep").model.graph().value_info_size(), 1);
  EXPECT_EQ(RunWith("float32", "{positions: 10}").model.graph().value_info_size(), 0);
}

TEST_F(RopeTablesTest, ATableInABodyIsMadeInTheMainGraph) {
  onnx::ModelProto model =
      ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
    g (float[b, s, 8] x, int64[b, s] at, bool yes) => (float[b, s, 8] y) {
      y = If (yes) <then_branch = g1 () => (float[b, s, 8] y1)
        <float[64, 4] c, float[64, 4] s> { y1 = com.microsoft.RotaryEmbedding(x, at, c, s) },
        else_branch = g2 () => (float[b, s, 8] y2) { y2 = Identity(x) }>
    })");
  onnx::GraphProto* body = nullptr;
  for (auto& attribute : *model.mutable_graph()->mutable_node(0)->mutable_attribute()) {
    if (attribute.name() == "then_branch") body = attribute.mutable_g();
  }
  ASSERT_NE(body, nullptr);
  onnx::ModelProto tables;
  AddRopeTables("c", "s", kFrequencies, 64, tables);
  *body->mutable_initializer() = tables.graph().initializer();
  LoadProto(std::move(model));
  const Rewritten rewritten = RunWith("float32", "computed");
  EXPECT_THAT(NodesOf(rewritten), SizeIs(6));
  EXPECT_EQ(Fill(rewritten).at("c_frequencies"), kFrequencies);
}

}  // namespace
}  // namespace onnxquant
