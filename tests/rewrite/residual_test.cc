// Rescaled and clipped residual streams in the rewritten graph.
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "lib/kernels/half.h"
#include "lib/rewrite/materialize.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

// A tied embedding that nothing scales; weights of each kind that end a branch. `last` is a gain
// that two norms share, of which one ends a branch.
constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (int64[b, s] ids) => (float[b, s, 64] logits)
<float[64, 32] table, float[32] last, float[32, 32] w0, float[32] bias, float[32, 32] w1> {
  x0 = Gather(table, ids)
  [pre0] a0 = SimplifiedLayerNormalization<epsilon = 1e-6>(x0, last)
  m0 = MatMul(a0, w0)
  d0 = Add(m0, bias)
  [add0] x1 = Add(x0, d0)
  [pre1] a1 = LayerNormalization(x1, last)
  m1 = MatMul(a1, w1)
  [post1] d1 = SimplifiedLayerNormalization<epsilon = 1e-6>(m1, last)
  [add1] x2 = Add(x1, d1)
  [final] n = SimplifiedLayerNormalization<epsilon = 1e-6>(x2, last)
  head = Transpose<perm = [1, 0]>(table)
  logits = MatMul(n, head)
})";
constexpr char kRescaled[] = "rules:\n  - {match: {role: residual}, residual: {rescale: 3}}\n";
constexpr char kFp32[] = "outputs:\n  fp32: {compute: float32, weights: float32, io: float32}\n";

class MapSink : public TensorSink {
 public:
  explicit MapSink(const Rewritten& rewritten) : rewritten_(rewritten) {
    for (const std::uint64_t bytes : rewritten.bytes) payloads_.emplace_back(bytes);
  }
  absl::Status Write(int initializer, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    std::memcpy(payloads_[static_cast<std::size_t>(initializer)].data() + offset, bytes.data(),
                bytes.size());
    return absl::OkStatus();
  }
  // The numbers of the initializer of that name, from float32, float16 or bytes.
  std::vector<float> Floats(const std::string& name) const {
    for (int i = 0; i < rewritten_.model.graph().initializer_size(); ++i) {
      const onnx::TensorProto& tensor = rewritten_.model.graph().initializer(i);
      if (tensor.name() != name) continue;
      const std::vector<std::byte>& bytes = payloads_[static_cast<std::size_t>(i)];
      if (tensor.data_type() == onnx::TensorProto::FLOAT) {
        std::vector<float> floats(bytes.size() / sizeof(float));
        std::memcpy(floats.data(), bytes.data(), bytes.size());
        return floats;
      }
      if (tensor.data_type() == onnx::TensorProto::UINT8) {
        std::vector<float> numbers;
        for (const std::byte byte : bytes) numbers.push_back(static_cast<float>(byte));
        return numbers;
      }
      std::vector<std::uint16_t> halves(bytes.size() / sizeof(std::uint16_t));
      std::memcpy(halves.data(), bytes.data(), bytes.size());
      std::vector<float> floats(halves.size());
      kernels::HalfToFloat(halves, absl::MakeSpan(floats));
      return floats;
    }
    ADD_FAILURE() << "no initializer " << name;
    return {};
  }

 private:
  const Rewritten& rewritten_;
  std::vector<std::vector<std::byte>> payloads_;
};

class ResidualRewriteTest : public RewriteFixture {
 protected:
  MapSink Fill(const Rewritten& rewritten) {
    MapSink sink(rewritten);
    const OutputToFill output{&rewritten, &sink, &warnings_};
    // Small tiles: the factor belongs to every one of them.
    FillOptions options;
    options.memory = 1;
    options.smallest_tile = 256;
    const auto status = FillTensors(*model_, {&output, 1}, options);
    EXPECT_TRUE(status.ok()) << status;
    return sink;
  }

  std::map<std::string, float> Epsilons(const Rewritten& rewritten) const {
    std::map<std::string, float> epsilons;
    for (const onnx::NodeProto& node : rewritten.model.graph().node()) {
      const onnx::AttributeProto* epsilon = FindAttribute(node, "epsilon");
      if (epsilon != nullptr) epsilons[node.name()] = epsilon->f();
    }
    return epsilons;
  }

  static std::vector<float> Times(std::vector<float> floats, float factor) {
    for (float& number : floats) number *= factor;
    return floats;
  }

  std::vector<std::string> warnings_;
};

TEST_F(ResidualRewriteTest, ScalesEpsilonsPutsInOneMulAndKeepsTheRest) {
  Load(kModel);
  const Rewritten rewritten = Run(std::string(kFp16) + kRescaled);
  EXPECT_THAT(
      Lines(rewritten),
      ElementsAre("Gather(table, ids) -> x0", "SimplifiedLayerNormalization(x0, last) -> a0",
                  "MatMul(a0, w0) -> m0", "Add(m0, bias) -> d0", "Constant() -> x0_scaled/factor",
                  "Mul(x0, x0_scaled/factor) -> x0_scaled", "Add(x0_scaled, d0) -> x1",
                  "LayerNormalization(x1, last) -> a1", "MatMul(a1, w1) -> m1",
                  "SimplifiedLayerNormalization(m1, last_scaled_float16) -> d1",
                  "Add(x1, d1) -> x2", "SimplifiedLayerNormalization(x2, last) -> n",
                  "Transpose(table) -> head", "MatMul(n, head) -> logits_float16",
                  "Cast(logits_float16) -> logits"));
  const auto epsilons = Epsilons(rewritten);
  EXPECT_EQ(epsilons.at("pre0"), 1e-6F);       // reads the embedding as it is
  EXPECT_EQ(epsilons.at("pre1"), 1e-5F / 64);  // the operator's default, spelt out
  EXPECT_EQ(epsilons.at("post1"), 1e-6F);
  EXPECT_EQ(epsilons.at("final"), 1e-6F / 64);
}

TEST_F(ResidualRewriteTest, MultipliesEachTileOfAScaledCopyInEveryFormat) {
  Load(kModel);
  for (const char* outputs : {kFp32, kFp16}) {
    const Rewritten plain = Run(outputs);
    const Rewritten scaled = Run(std::string(outputs) + kRescaled);
    const MapSink before = Fill(plain);
    const MapSink after = Fill(scaled);
    for (const char* name : {"w0", "bias"}) {
      EXPECT_EQ(after.Floats(name), Times(before.Floats(name), 0.125F)) << name;
    }
    for (const char* name : {"table", "w1", "last"}) {
      EXPECT_EQ(after.Floats(name), before.Floats(name)) << name;
    }
    const std::string gain = outputs == kFp32 ? "last_scaled_float32" : "last_scaled_float16";
    EXPECT_EQ(after.Floats(gain), Times(before.Floats("last"), 0.125F));
  }
}

TEST_F(ResidualRewriteTest, AScaledFourBitWeightHasTheSameCodesAndScaledScales) {
  Load(kModel);
  const std::string q4 =
      "outputs:\n  q4: {compute: float32, weights: {format: int4, block: 32}, io: float32}\n";
  const Rewritten plain = Run(q4);
  const Rewritten scaled = Run(q4 + kRescaled);
  const MapSink before = Fill(plain);
  const MapSink after = Fill(scaled);
  EXPECT_EQ(after.Floats("w0_scales"), Times(before.Floats("w0_scales"), 0.125F));
  EXPECT_EQ(after.Floats("w1_scales"), before.Floats("w1_scales"));
  EXPECT_EQ(after.Floats("w0_Q4"), before.Floats("w0_Q4"));
}

TEST_F(ResidualRewriteTest, ScalesAConstantNodeAndLeavesItsOtherReaderAsItIs) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64[b, s] ids, float[b, s, 8] z) => (float[b, s, 8] y, float[b, s, 8] other)
<float[64, 8] table, float[8] gain, float[8, 8] w, float[8, 8] head> {
  root = Constant<value_float = 6.0>()
  e = Gather(table, ids)
  x0 = Mul(e, root)
  a0 = SimplifiedLayerNormalization<epsilon = 1e-6>(x0, gain)
  d0 = MatMul(a0, w)
  x1 = Add(x0, d0)
  n = SimplifiedLayerNormalization<epsilon = 1e-6>(x1, gain)
  y = MatMul(n, head)
  other = Mul(z, root)
})");
  for (const char* outputs : {kFp32, kFp16}) {
    const Rewritten rewritten = Run(std::string(outputs) + kRescaled);
    std::map<std::string, float> constants;
    for (const onnx::NodeProto& node : rewritten.model.graph().node()) {
      if (node.op_type() == "Mul") {
        constants[node.output(0)] = 0;
        for (const onnx::NodeProto& maker : rewritten.model.graph().node()) {
          if (maker.op_type() != "Constant" || maker.output(0) != node.input(1)) continue;
          const onnx::AttributeProto& value = maker.attribute(0);
          if (value.has_f()) {
            constants[node.output(0)] = value.f();
          } else if (value.t().data_type() == onnx::TensorProto::FLOAT) {
            std::memcpy(&constants[node.output(0)], value.t().raw_data().data(), sizeof(float));
          } else {
            std::uint16_t half = 0;
            std::memcpy(&half, value.t().raw_data().data(), sizeof(half));
            kernels::HalfToFloat({&half, 1}, {&constants[node.output(0)], 1});
          }
        }
      }
    }
    EXPECT_EQ(constants["x0"], 0.75F);
    EXPECT_EQ(constants["other"], 6.0F);
  }
}

TEST_F(ResidualRewriteTest, ClipsEachSumToTheLimit) {
  Load(kModel);
  const Rewritten rewritten =
      Run(std::string(kFp16) + "rules:\n  - {match: {role: residual}, residual: {clip: 60000}}\n");
  const std::vector<std::string> lines = Lines(rewritten);
  EXPECT_THAT(lines, Contains("Add(x0, d0) -> x1_unclipped"));
  EXPECT_THAT(lines, Contains("Clip(x1_unclipped, x1/min, x1/max) -> x1"));
  EXPECT_THAT(lines, Contains("Clip(x2_unclipped, x2/min, x2/max) -> x2"));
  EXPECT_THAT(lines, Not(Contains("Clip(d0_unclipped, d0/min, d0/max) -> d0")));
  for (const onnx::NodeProto& node : rewritten.model.graph().node()) {
    if (node.op_type() != "Constant") continue;
    std::uint16_t half = 0;
    ASSERT_EQ(node.attribute(0).t().raw_data().size(), sizeof(half));
    std::memcpy(&half, node.attribute(0).t().raw_data().data(), sizeof(half));
    float value = 0;
    kernels::HalfToFloat({&half, 1}, {&value, 1});
    EXPECT_EQ(std::fabs(value), 60000.0F);
  }
}

}  // namespace
}  // namespace onnxquant
