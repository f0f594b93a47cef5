#include "lib/verify/candidate.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

TEST(OutputSumsTest, ComputesErrorsAndTheCosineByHand) {
  OutputSums sums;
  sums.Add({3, 0}, {0, 4});
  sums.Add({1}, {1});
  const OutputComparison result = sums.Finish("y");
  EXPECT_EQ(result.elements, 3U);
  EXPECT_EQ(result.max_error, 4);
  EXPECT_DOUBLE_EQ(result.mean_error, 7.0 / 3);
  EXPECT_NEAR(result.cosine, 1 / (std::sqrt(10.0) * std::sqrt(17.0)), 1e-15);
}

TEST(OutputSumsTest, CountsWhatIsNotFiniteWhereTheReferenceIs) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  OutputSums sums;
  sums.Add({1, 2, inf, nan, 5, nan}, {nan, inf, inf, nan, 5, 7});
  const OutputComparison result = sums.Finish("y");
  EXPECT_EQ(result.nan, 1U);
  EXPECT_EQ(result.inf, 1U);
  EXPECT_EQ(result.max_error, 0);
  EXPECT_EQ(result.cosine, 1);
}

TEST(OutputSumsTest, CountsOfPaddingOnlyWhatIsNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  OutputSums sums;
  sums.AddPadding({1, 2, 3, nan}, {100, nan, inf, inf});
  const OutputComparison result = sums.Finish("y");
  EXPECT_EQ(result.elements, 0U);
  EXPECT_EQ(result.max_error, 0);
  EXPECT_EQ(result.nan, 1U);
  EXPECT_EQ(result.inf, 1U);
}

TEST(OutputSumsTest, FindsNoAngleToNothing) {
  OutputSums sums;
  sums.Add({1, 2}, {0, 0});
  EXPECT_EQ(sums.Finish("y").cosine, 0);
}

TEST(BytesOnDiskTest, CountsTheModelAndTheFilesNamedAfterIt) {
  const TempFolder folder;
  folder.Write("m.onnx", "123");
  folder.Write("m.onnx_data", "1234567");
  folder.Write("m.onnx_data_1", "1");
  folder.Write("other.onnx_data", "123456789");
  EXPECT_EQ(BytesOnDisk(folder / "m.onnx"), 11U);
}

TEST(BatchEndTest, TakesAsManyAsFitButAtLeastOne) {
  const TempFolder folder;
  std::vector<CandidateResult> results(3);
  for (CandidateResult& result : results) result.model = folder / "m.onnx";
  folder.Write("m.onnx", "1234567890");
  EXPECT_EQ(BatchEnd(results, 0, 25), 2U);
  EXPECT_EQ(BatchEnd(results, 2, 25), 3U);
  EXPECT_EQ(BatchEnd(results, 0, 1), 1U);
}

}  // namespace
}  // namespace onnxquant
