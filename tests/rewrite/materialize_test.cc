#include "lib/rewrite/materialize.h"

#include <cstring>
#include <map>
#include <random>
#include <utility>

#include "gmock/gmock.h"
#include "lib/base/error.h"
#include "lib/kernels/block_quantize.h"
#include "lib/kernels/half.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kMatMul[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 100] x) => (float[2, 7] z) <float[100, 7] w> { z = MatMul(x, w) })";
constexpr char kTransposed[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 100] x) => (float[2, 7] z) <float[7, 100] w> {
  t = Transpose<perm = [1, 0]>(w)
  z = MatMul(x, t)
})";
constexpr char kAsymmetric[] =
    "outputs:\n  q4: {compute: float32, weights: {format: int4, block: 16, symmetric: false}, "
    "io: float32}\n";

constexpr char kBf16[] = "outputs:\n  bf16: {compute: bfloat16, weights: bfloat16, io: float32}\n";

// Keeps what it is given; marks bytes that are written twice.
class MemorySink : public TensorSink {
 public:
  explicit MemorySink(const Rewritten& rewritten) {
    for (const std::uint64_t bytes : rewritten.bytes) {
      payloads_.emplace_back(bytes);
      written_.emplace_back(bytes, 0);
    }
  }
  absl::Status Write(int initializer, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    const auto at = static_cast<std::size_t>(initializer);
    if (offset + bytes.size() > payloads_[at].size()) return InternalError("beyond the end");
    std::memcpy(payloads_[at].data() + offset, bytes.data(), bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) ++written_[at][offset + i];
    return absl::OkStatus();
  }
  const std::vector<std::byte>& payload(std::size_t i) const { return payloads_[i]; }
  bool WroteEachByteOnce() const {
    for (const auto& counts : written_) {
      for (const int count : counts) {
        if (count != 1) return false;
      }
    }
    return true;
  }

 private:
  std::vector<std::vector<std::byte>> payloads_;
  std::vector<std::vector<int>> written_;
};

class MaterializeTest : public RewriteFixture {
 protected:
  // The payloads by initializer name.
  std::map<std::string, std::vector<std::byte>> Fill(const Rewritten& rewritten,
                                                     const FillOptions& options = {}) {
    MemorySink sink(rewritten);
    const OutputToFill output{&rewritten, &sink, &warnings_};
    status_ = FillTensors(*model_, {&output, 1}, options);
    std::map<std::string, std::vector<std::byte>> payloads;
    if (!status_.ok()) return payloads;
    EXPECT_TRUE(sink.WroteEachByteOnce());
    for (int i = 0; i < rewritten.model.graph().initializer_size(); ++i) {
      payloads[rewritten.model.graph().initializer(i).name()] =
          sink.payload(static_cast<std::size_t>(i));
    }
    return payloads;
  }

  std::vector<std::string> warnings_;
  absl::Status status_;
};

TEST_F(MaterializeTest, GivesTheSameBytesForAnyTileSizeAndThreadCount) {
  for (const char* text : {kMatMul, kTransposed}) {
    Load(text);
    const Rewritten rewritten = Run(kAsymmetric);
    FillOptions whole;
    whole.memory = 1 << 30;
    const auto expected = Fill(rewritten, whole);
    ASSERT_EQ(expected.size(), 3U);
    for (const int threads : {1, 3}) {
      FillOptions small;
      small.memory = 1;
      small.threads = threads;
      small.smallest_tile = 900;  // 32 rows of [100, 7] floats, one of [7, 100]
      EXPECT_EQ(Fill(rewritten, small), expected);
    }
  }
}

// Of few rows, and of few columns, with every reader that a weight can have at once.
TEST_F(MaterializeTest, CutsRowsThatAreLongerThanATile) {
  for (const char* text : {
           R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 97] x) => (float[2, 301] z) <float[97, 301] w> { z = MatMul(x, w) })",
           R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 301] x) => (float[2, 5] z) <float[5, 301] w> {
  t = Transpose<perm = [1, 0]>(w)
  z = MatMul(x, t)
})",
           R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 70] x, float[2, 301] y) => (float[2, 301] z, float[2, 70] u, float[70, 301] v)
  <float[70, 301] w> {
  z = MatMul(x, w)
  t = Transpose<perm = [1, 0]>(w)
  u = MatMul(y, t)
  v = Sqrt(w)
})"}) {
    Load(text);
    for (const char* policy :
         {kAsymmetric,
          "outputs:\n  q4f16: {compute: float16, weights: {format: int4, block: 32}, io: float32}\n"
          "rules:\n  - {match: {op: Sqrt}, weights: float32, compute: float32, optional: "
          "true}\n"}) {
      const Rewritten rewritten = Run(policy);
      const auto expected = Fill(rewritten);
      for (const std::uint64_t tile : {64, 1000, 6000, 20'000, 40'000}) {
        FillOptions small;
        small.memory = 1;
        small.threads = 2;
        small.smallest_tile = tile;
        EXPECT_EQ(Fill(rewritten, small), expected) << tile << text;
      }
    }
  }
}

TEST_F(MaterializeTest, QuantizesAsTheKernelDoesOnTheWholeWeight) {
  Load(kMatMul);
  const Rewritten rewritten = Run(kAsymmetric);
  const auto payloads = Fill(rewritten);
  const auto& w = model_->proto().graph().initializer(0);
  std::vector<float> source(w.float_data().begin(), w.float_data().end());
  const kernels::BlockFormat format{4, 16, false, kernels::ScaleType::kFloat32};
  const kernels::BlockSizes sizes = kernels::SizesOf(format, 100, 7);
  std::vector<std::uint8_t> data(sizes.data_bytes), zero_points(7 * 7);
  std::vector<float> scales(sizes.scale_count);
  kernels::TileOutput output;
  output.data = absl::MakeSpan(data);
  output.scales_f32 = absl::MakeSpan(scales);
  output.zero_points = absl::MakeSpan(zero_points);
  kernels::QuantizeTile(format, kernels::WeightLayout::kKN, source, 100, 7, output);
  ASSERT_EQ(payloads.at("w_Q4").size(), data.size());
  EXPECT_EQ(std::memcmp(payloads.at("w_Q4").data(), data.data(), data.size()), 0);
  EXPECT_EQ(std::memcmp(payloads.at("w_scales").data(), scales.data(), 4 * scales.size()), 0);
}

TEST_F(MaterializeTest, ReadsEachInputByteOnceForAllOutputs) {
  Load(kMatMul);
  const Rewritten q4 = Run(kAsymmetric);
  const Rewritten fp16 = Run(kFp16);
  MemorySink q4_sink(q4), fp16_sink(fp16);
  const std::vector<OutputToFill> outputs = {{&q4, &q4_sink, nullptr},
                                             {&fp16, &fp16_sink, nullptr}};
  ASSERT_TRUE(FillTensors(*model_, outputs, {}).ok());
  EXPECT_EQ(model_->bytes_read(), 100U * 7 * sizeof(float));
}

TEST_F(MaterializeTest, DoesOnlyTheJobsThatAreAskedFor) {
  Load(kMatMul);
  const Rewritten fp16 = Run(kFp16);
  MemorySink sink(fp16);
  OutputToFill none{&fp16, &sink, nullptr};
  none.jobs.emplace();
  ASSERT_TRUE(FillTensors(*model_, {&none, 1}, {}).ok());
  EXPECT_EQ(model_->bytes_read(), 0U);
  OutputToFill first{&fp16, &sink, nullptr};
  first.jobs = {0};
  ASSERT_TRUE(FillTensors(*model_, {&first, 1}, {}).ok());
  EXPECT_TRUE(sink.WroteEachByteOnce());
}

TEST_F(MaterializeTest, NamesTheTensorThatDoesNotFitFloat16) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] z) <float[2] big = {1, 70000}> { z = Mul(x, big) })");
  const Rewritten refused = Run(kFp16);
  Fill(refused);
  EXPECT_EQ(KindOf(status_), ErrorKind::kModel);
  EXPECT_THAT(std::string(status_.message()),
              HasSubstr("initializer 'big': 1 value lies beyond float16's 65504 (the largest "
                        "magnitude is 70000)"));
  const Rewritten clamped = Run(
      "outputs:\n  fp16: {compute: float16, weights: float16, io: float16, constants: {overflow: "
      "clamp}}\n");
  const auto payloads = Fill(clamped);
  ASSERT_TRUE(status_.ok()) << status_;
  std::uint16_t second = 0;
  std::memcpy(&second, payloads.at("big").data() + 2, 2);
  EXPECT_EQ(second, 0x7bff);  // 65504
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0], HasSubstr("clamped to ±65504"));
}

TEST_F(MaterializeTest, RoundsToBfloat16AsTheKernelDoesForAnyTileSize) {
  Load(kMatMul);
  const Rewritten rewritten = Run(kBf16);
  const auto& w = model_->proto().graph().initializer(0);
  const std::vector<float> source(w.float_data().begin(), w.float_data().end());
  std::vector<std::uint16_t> expected(source.size());
  kernels::FloatToBFloat16(source, absl::MakeSpan(expected), kernels::OverflowMode::kInfinity);
  for (const std::uint64_t smallest_tile : {900, 1 << 20}) {
    FillOptions options;
    options.smallest_tile = smallest_tile;
    if (smallest_tile == 900) options.memory = 1;
    const auto payloads = Fill(rewritten, options);
    ASSERT_EQ(payloads.at("w").size(), 2 * expected.size());
    EXPECT_EQ(std::memcmp(payloads.at("w").data(), expected.data(), 2 * expected.size()), 0);
  }
}

TEST_F(MaterializeTest, NamesTheLimitOfBfloat16) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] z) <float[2] big = {3.38e38, 3.4e38}> { z = Mul(x, big) })");
  Fill(Run(kBf16));
  EXPECT_EQ(KindOf(status_), ErrorKind::kModel);
  EXPECT_THAT(std::string(status_.message()),
              HasSubstr("initializer 'big': 1 value lies beyond bfloat16's 3.39e38"));
}

TEST_F(MaterializeTest, WarnsOfASmallConstantThatVanishes) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[1] x) => (float[1] z) <float[1] eps = {1e-12}> { z = Add(x, eps) })");
  Fill(Run(kFp16));
  ASSERT_TRUE(status_.ok()) << status_;
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("initializer 'eps': 1 value became 0 in float16, "
                                               "whose smallest number is 6e-8")));
  warnings_.clear();
  Fill(Run(kBf16));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(MaterializeTest, DoesNotWarnOfValuesThatVanishInALargeWeight) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[17] x) => (float[17] z) <float[17] w = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1e-12}> {
  z = Mul(x, w)
})");
  Fill(Run(kFp16));
  ASSERT_TRUE(status_.ok()) << status_;
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(MaterializeTest, QuantizesABfloat16WeightAsTheSameValuesInFloat32) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[1, 4] x) => (float[1, 2] z) <float[4, 2] w = {1, -2, 0.5, 3, -0.25, 7, 2, -1.5}> {
  z = MatMul(x, w)
})");
  Rewritten rewritten = Run(kAsymmetric);
  const auto expected = Fill(rewritten);
  ASSERT_EQ(expected.size(), 3U);
  onnx::ModelProto proto = model_->proto();
  onnx::TensorProto& w = *proto.mutable_graph()->mutable_initializer(0);
  const std::vector<float> source(w.float_data().begin(), w.float_data().end());
  std::vector<std::uint16_t> halves(source.size());  // these values are exact in bfloat16
  kernels::FloatToBFloat16(source, absl::MakeSpan(halves), kernels::OverflowMode::kInfinity);
  w.clear_float_data();
  w.set_data_type(onnx::TensorProto::BFLOAT16);
  w.set_raw_data(halves.data(), 2 * halves.size());
  auto model = Model::FromProto(std::move(proto), "m.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  *model_ = *std::move(model);
  for (FillJob& job : rewritten.jobs) job.source = &model_->proto().graph().initializer(0);
  EXPECT_EQ(Fill(rewritten), expected);
}

TEST_F(MaterializeTest, RefusesABlockWhoseFloat16ScaleIsInfinite) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[1, 2] x) => (float[1, 1] z) <float[2, 1] big = {1, 600000}> { z = MatMul(x, big) })");
  Fill(
      Run("outputs:\n  q4f16: {compute: float16, weights: {format: int4, block: 16}, io: "
          "float16}\n"));
  EXPECT_EQ(KindOf(status_), ErrorKind::kModel);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("initializer 'big': 1 of its blocks"));
}

TEST_F(MaterializeTest, RoundsTheSourceFirstWhenThePolicySaysSo) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[1, 2] x) => (float[1, 1] z) <float[2, 1] w = {0.5, 1.0001}> { z = MatMul(x, w) })");
  EXPECT_NE(
      Fill(Run("outputs:\n  q4: {compute: float32, weights: {format: int4, block: 16}, io: "
               "float32}\n"))
          .at("w_scales"),
      Fill(Run("outputs:\n  q4: {compute: float32, weights: {format: int4, block: 16, source: "
               "float16}, io: float32}\n"))
          .at("w_scales"));
}

TEST_F(MaterializeTest, StopsWhenCancelled) {
  Load(kMatMul);
  const std::atomic<bool> cancelled{true};
  FillOptions options;
  options.cancelled = &cancelled;
  Fill(Run(kFp16), options);
  EXPECT_EQ(KindOf(status_), ErrorKind::kCancelled);
}

TEST_F(MaterializeTest, ReportsProgressUpToTheWhole) {
  Load(kMatMul);
  std::uint64_t last = 0;
  std::uint64_t whole = 0;
  FillOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GE(done, last);
    last = done;
    whole = total;
  };
  Fill(Run(kFp16), options);
  EXPECT_EQ(last, 2800U);
  EXPECT_EQ(whole, 2800U);
}

}  // namespace
}  // namespace onnxquant
