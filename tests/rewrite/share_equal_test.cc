#include "lib/rewrite/share_equal.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr int kElements = 128 * 160;

// x a, x b and x c, whose weights begin with these numbers and are zeros but for them.
class ShareEqualTest : public RewriteFixture {
 protected:
  void LoadThree(float a, float b, float c) {
    onnx::ModelProto proto = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 128] x) => (float[2, 160] y, float[2, 160] z, float[2, 160] v)
<float[128, 160] a, float[128, 160] b, float[128, 160] c> {
  y = MatMul(x, a)
  z = MatMul(x, b)
  v = MatMul(x, c)
})");
    const float firsts[] = {a, b, c};
    for (int i = 0; i < 3; ++i) {
      onnx::TensorProto& tensor = *proto.mutable_graph()->mutable_initializer(i);
      tensor.clear_float_data();
      std::string& raw = *tensor.mutable_raw_data();
      raw.assign(kElements * sizeof(float), '\0');
      std::memcpy(raw.data() + 4096, &firsts[i], sizeof(float));  // not among the samples
    }
    LoadProto(std::move(proto));
  }

  Rewritten Shared(const std::string& yaml) {
    Rewritten rewritten = Run(yaml);
    EXPECT_TRUE(ShareEqual(*model_, rewritten).ok());
    return rewritten;
  }
};

TEST_F(ShareEqualTest, OneJobFillsEqualConstants) {
  LoadThree(1, 2, 1);
  const Rewritten rewritten = Shared(kFp16);
  EXPECT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, ElementsAre(-1, -1, 0));
}

TEST_F(ShareEqualTest, EachPartOfCodesIsThatOfTheFirst) {
  LoadThree(1, 1, 2);
  const Rewritten rewritten = Shared(
      "outputs:\n  q4: {compute: float32, weights: {format: int4, symmetric: false}, io: "
      "float32}\n");
  EXPECT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, ElementsAre(-1, -1, -1, 0, 1, 2, -1, -1, -1));
}

TEST_F(ShareEqualTest, ConstantsThatDifferBetweenTheSamplesAreNotEqual) {
  LoadThree(1, 2, 3);
  const Rewritten rewritten = Shared(kFp16);
  EXPECT_EQ(rewritten.jobs.size(), 3U);
  EXPECT_THAT(rewritten.same_as, Each(-1));
}

TEST_F(ShareEqualTest, FormsThatDifferAreNotShared) {
  LoadThree(1, 1, 1);
  const Rewritten rewritten =
      Shared(std::string(kFp16) + "rules:\n  - {match: {weight: b}, weights: float32}\n");
  EXPECT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, ElementsAre(-1, -1, 0));
}

// Rows of a table, and products with the same numbers, in one constant.
constexpr char kTiedModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64[2] i, float[2, 64] x) => (float[2, 64] y, float[2, 512] z)
<float[512, 64] t> {
  y = Gather(t, i)
  u = Transpose<perm = [1, 0]>(t)
  z = MatMul(x, u)
})";
constexpr char kCodes[] = R"(
  q4: {compute: float32, weights: {format: int4, symmetric: false}, io: float32, tie: )";
constexpr char kGatheredToo[] = R"(}
rules:
  - {match: {op: Gather}, weights: {format: int4, symmetric: false}}
)";

std::string Yaml(const char* tie) {
  return absl::StrCat("outputs:", kCodes, tie, kGatheredToo);
}

void FillTable(onnx::TensorProto& tensor) {
  tensor.clear_float_data();
  tensor.set_raw_data(std::string(512 * 64 * sizeof(float), '\1'));
}

class TieTest : public RewriteFixture {
 protected:
  Rewritten Shared(const std::string& yaml) {
    onnx::ModelProto proto = ParseModel(kTiedModel);
    FillTable(*proto.mutable_graph()->mutable_initializer(0));
    LoadProto(std::move(proto));
    Rewritten rewritten = Run(yaml);
    EXPECT_TRUE(ShareEqual(*model_, rewritten).ok());
    return rewritten;
  }
};

TEST_F(TieTest, ReadersOfTwoFormsReadOneSetOfCodes) {
  const Rewritten rewritten = Shared(Yaml("true"));
  EXPECT_EQ(rewritten.jobs.size(), 1U);
  EXPECT_THAT(rewritten.same_as, ElementsAre(-1, -1, -1));
}

TEST_F(TieTest, UntiedCodesStandForEachFormAndTheirScalesOnce) {
  const Rewritten rewritten = Shared(Yaml("false"));
  ASSERT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, ElementsAre(-1, -1, -1, -1, 1, 2));
  EXPECT_THAT(rewritten.jobs[0].targets, ElementsAre(0, 1, 2));
  EXPECT_THAT(rewritten.jobs[1].targets, ElementsAre(3, kNotStored, kNotStored));
}

TEST_F(TieTest, OneReaderThatIsNotTiedSuffices) {
  const Rewritten rewritten = Shared(Yaml("true") + "  - {match: {op: MatMul}, tie: false}\n");
  EXPECT_EQ(rewritten.jobs.size(), 2U);
}

TEST_F(TieTest, ScalesOfOtherMethodsStandForEachForm) {
  const Rewritten rewritten = Shared(Yaml("false") + "  - {match: {op: MatMul}, method: search}\n");
  EXPECT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, Each(-1));
}

// A table, and a head that holds its transpose as a constant of its own.
constexpr char kTransposedModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64[2] i, float[2, 64] x) => (float[2, 64] y, float[2, 512] z)
<float[512, 64] t, float[64, 512] h> {
  y = Gather(t, i)
  z = MatMul(x, h)
})";

class TransposesTest : public RewriteFixture {
 protected:
  // `differ`: in how many numbers the head is not the table.
  Rewritten Shared(const std::string& yaml, int differ = 0) {
    onnx::ModelProto proto = ParseModel(kTransposedModel);
    std::vector<float> table(std::size_t{512} * 64);
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = std::sin(static_cast<float>(i));
    std::vector<float> head(table.size());
    for (std::size_t n = 0; n < 512; ++n) {
      for (std::size_t k = 0; k < 64; ++k) head[k * 512 + n] = table[n * 64 + k];
    }
    for (int i = 0; i < differ; ++i) head[static_cast<std::size_t>(4321 + i)] += 1;
    Fill(table, *proto.mutable_graph()->mutable_initializer(0));
    Fill(head, *proto.mutable_graph()->mutable_initializer(1));
    LoadProto(std::move(proto));
    Rewritten rewritten = Run(yaml);
    EXPECT_TRUE(ShareEqual(*model_, rewritten).ok());
    return rewritten;
  }

 private:
  static void Fill(const std::vector<float>& values, onnx::TensorProto& tensor) {
    tensor.clear_float_data();
    tensor.set_raw_data(
        std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  }
};

TEST_F(TransposesTest, AHeadThatHoldsTheTablesTransposeReadsItsCodes) {
  const Rewritten rewritten = Shared(Yaml("true"));
  EXPECT_EQ(rewritten.jobs.size(), 1U);
  EXPECT_THAT(rewritten.same_as, ElementsAre(-1, -1, -1, 0, 1, 2));
}

TEST_F(TransposesTest, ATrainedHeadKeepsItsOwnCodes) {
  const Rewritten rewritten = Shared(Yaml("true"), 1);
  EXPECT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, Each(-1));
}

TEST_F(TransposesTest, UntiedCodesShareTheirScalesAlone) {
  const Rewritten rewritten = Shared(Yaml("false"));
  EXPECT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, ElementsAre(-1, -1, -1, -1, 1, 2));
}

TEST_F(TransposesTest, FloatsLieInTheOrderOfTheirReader) {
  const Rewritten rewritten = Shared(kFp16);
  EXPECT_EQ(rewritten.jobs.size(), 2U);
  EXPECT_THAT(rewritten.same_as, Each(-1));
}

}  // namespace
}  // namespace onnxquant
