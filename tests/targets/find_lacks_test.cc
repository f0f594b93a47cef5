#include "lib/targets/find_lacks.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "lib/targets/facts.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What a target says of a model in text.
class Said {
 public:
  Said(const std::string& text, const std::string& target)
      : model_(ParseModel(absl::StrCat(
            "<ir_version: 10, opset_import: [\"\" : 21, \"com.microsoft\" : 1]>\n", text))) {
    auto graph = Graph::Build(model_, "m");
    EXPECT_TRUE(graph.ok()) << graph.status();
    auto types = InferTypes(*graph, "m");
    EXPECT_TRUE(types.ok()) << types.status();
    auto parsed = ParseTarget(target);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    places_ = FindLacks(*graph, *types, *parsed);
  }
  const std::vector<Lack>& refused() const { return places_.at(0).refused; }
  const std::vector<Lack>& beside() const { return places_.at(0).beside; }
  const std::vector<PlaceLacks>& places() const { return places_; }

 private:
  onnx::ModelProto model_;
  std::vector<PlaceLacks> places_;
};

std::string Rows(int bits, int blocks, bool zero_points) {
  const int bytes = blocks * 32 * bits / 8;
  return absl::StrCat("g (int64[1] i) => (float[1,D] y) <uint8[8,", bytes, "] w, float[8,", blocks,
                      "] s",
                      zero_points ? absl::StrCat(", uint8[8,", (blocks * bits + 7) / 8, "] z") : "",
                      "> {\n y = com.microsoft.GatherBlockQuantized <bits = ", bits,
                      ", block_size = 32, gather_axis = 0, quantize_axis = 1> (w, i, s",
                      zero_points ? ", z" : "", ")\n}");
}

constexpr char kBrain[] = "g (bfloat16[2] x) => (bfloat16[2] y) { t = Add(x, x) y = Relu(t) }";
constexpr char kInteger[] =
    "g (float[1,8] x) => (int32[1,8] y) <uint8[8,8] w, uint8 z> {\n"
    " q, s, qz = DynamicQuantizeLinear(x)\n y = MatMulInteger(q, w, qz, z)\n}";

TEST(FindLacks, RefusesTypesWithoutKernels) {
  const Said said(kBrain, "cpu@1.30");
  ASSERT_THAT(said.refused(), SizeIs(2));
  EXPECT_EQ(said.refused()[0].found, "bfloat16");
  EXPECT_THAT(said.refused()[0].expected, HasSubstr("float32 or float16"));
  EXPECT_EQ(said.refused()[0].remedy, "compute: float16 in place of bfloat16");
}

TEST(FindLacks, SaysWhatRunsOnTheCpuBeside) {
  const Said said("g (float[2] x) => (float[2] y) { t = Sign(x) y = Relu(t) }", "webgpu@1.30");
  EXPECT_THAT(said.refused(), IsEmpty());
  ASSERT_THAT(said.beside(), SizeIs(1));
  EXPECT_TRUE(said.beside()[0].beside);
}

TEST(FindLacks, RefusesProductsThatWouldRunOnTheCpuBeside) {
  const Said said(kInteger, "webgpu");
  ASSERT_THAT(said.refused(), SizeIs(1));
  EXPECT_THAT(said.beside(), SizeIs(1));
  EXPECT_THAT(Said(kInteger, "cpu").refused(), IsEmpty());
  EXPECT_THAT(Said(kInteger, "transformers.js-wasm").refused(), IsEmpty());
}

TEST(FindLacks, KnowsOfCudaWhatOnnxRuntimesSourceLists) {
  EXPECT_THAT(Said(kBrain, "cuda").refused(), IsEmpty());
  EXPECT_THAT(Said(kBrain, "cuda").beside(), IsEmpty());
  EXPECT_THAT(Said(kInteger, "cuda").refused(), SizeIs(1));
  EXPECT_THAT(Said(Rows(4, 4, true), "cuda").refused(), IsEmpty());
  // Its attention over groups has no float32: the CPU runs that beside it.
  constexpr char kGroups[] =
      "g (float[1,1,16] q, float[1,1,8] k, float[1,1,8] v, int32[1] n, int32 t)\n"
      " => (float[1,1,16] y, float[b,1,s,8] pk, float[b,1,s,8] pv) {\n"
      " y, pk, pv = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1>"
      " (q, k, v, , , n, t)\n}";
  EXPECT_THAT(Said(kGroups, "cuda").beside(), SizeIs(1));
  EXPECT_THAT(Said(kGroups, "webgpu").beside(), IsEmpty());
}

TEST(FindLacks, KnowsOfCoreMlWhatOnnxRuntimesSourceNames) {
  EXPECT_THAT(Said(Rows(4, 4, true), "coreml").refused(), SizeIs(1));
  const Said said("g (float[2] x) => (float[2] y) { t = Sign(x) y = Relu(t) }", "coreml");
  EXPECT_THAT(said.refused(), IsEmpty());
  EXPECT_THAT(said.beside(), SizeIs(1));
}

TEST(FindLacks, RefusesRowsWithAnOddNumberOfBlocksWhereTheyHaveZeroPoints) {
  EXPECT_THAT(Said(Rows(4, 5, true), "webgpu").refused(), SizeIs(1));
  EXPECT_THAT(Said(Rows(4, 4, true), "webgpu").refused(), IsEmpty());
  EXPECT_THAT(Said(Rows(4, 5, false), "webgpu").refused(), IsEmpty());
  EXPECT_THAT(Said(Rows(8, 5, true), "webgpu").refused(), IsEmpty());
  EXPECT_THAT(Said(Rows(4, 5, true), "cpu").refused(), IsEmpty());
}

TEST(FindLacks, AsksEachDeviceOfTransformersJs) {
  const Said said(Rows(4, 4, true), "transformers.js");
  ASSERT_THAT(said.places(), SizeIs(2));
  EXPECT_THAT(said.places()[0].refused, IsEmpty());
  ASSERT_THAT(said.places()[1].refused, SizeIs(1));
  EXPECT_THAT(said.places()[1].refused[0].remedy, HasSubstr("plain_int8"));
}

TEST(FindLacks, HoldsFactsForTheVersionsThatTheyAreOf) {
  EXPECT_THAT(Said(Rows(2, 4, false), "webgpu@1.26").refused(), SizeIs(1));
  EXPECT_THAT(Said(Rows(2, 4, false), "webgpu@1.27").refused(), IsEmpty());
}

TEST(FindLacks, RefusesNormsOfTwoTypes) {
  const char* norm =
      "g (float16[1,8] x) => (float[1,8] y) <float[8] w> {\n"
      " y = SimplifiedLayerNormalization <axis = -1> (x, w)\n}";
  EXPECT_THAT(Said(norm, "webgpu").refused(), SizeIs(1));
  EXPECT_THAT(Said(norm, "cpu").refused(), IsEmpty());
}

TEST(FindLacks, SaysNothingOfOperatorsThatNobodyKnows) {
  EXPECT_THAT(Said("g (float16[2] x) => (float16[2] y) { y = mine.Op(x) }", "webgpu").refused(),
              IsEmpty());
}

TEST(WhyNotHalf, SpeaksOfOperatorsThatHaveFloat32Alone) {
  EXPECT_THAT(WhyNotHalf(*ParseTarget("webgpu@1.30"), "GRU", 21, ElementType::kFloat16),
              HasSubstr("a GRU of float32, and none of float16"));
  EXPECT_EQ(WhyNotHalf(*ParseTarget("webgpu@1.30"), "Add", 21, ElementType::kFloat16), "");
  EXPECT_EQ(WhyNotHalf(*ParseTarget("webgpu@1.30"), "Sign", 21, ElementType::kFloat16), "");
}

TEST(Facts, SayWhatIsFoundExpectedAndToBeDone) {
  for (const Fact& fact : Facts()) {
    EXPECT_FALSE(fact.found.empty()) << fact.name;
    EXPECT_FALSE(fact.expected.empty()) << fact.name;
    EXPECT_FALSE(fact.remedy.empty()) << fact.name;
    EXPECT_FALSE(fact.says.empty()) << fact.name;
    EXPECT_FALSE(fact.source.empty()) << fact.name;
    EXPECT_TRUE(fact.until == Version{} || fact.from < fact.until) << fact.name;
  }
}

}  // namespace
}  // namespace onnxquant
