#include "lib/statistics/merge.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Statistics OneRun(const std::string& seed, float scale) {
  Statistics statistics;
  statistics.metadata = {
      {"fingerprint", "f"}, {"tokens", "10"}, {"sequences", "2"}, {"text", "self"}, {"seed", seed}};
  statistics.moments = {{"v", 2, 10, {4 * scale, -scale, -scale, 2 * scale}},
                        {"w", 1, 20, {3 * scale}}};
  return statistics;
}

class MergeTest : public ::testing::Test {
 protected:
  absl::StatusOr<Statistics> Merge(const std::vector<Statistics>& all) {
    std::vector<CalibrationFile> files;
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::string bytes;
      EXPECT_TRUE(WriteCalibration(all[i], [&](std::uint64_t, absl::Span<const std::byte> piece) {
                    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                    return absl::OkStatus();
                  }).ok());
      const std::string name(1, static_cast<char>('a' + i));
      folder_.Write(name, bytes);
      auto file = CalibrationFile::Open(folder_ / name);
      EXPECT_TRUE(file.ok()) << file.status();
      files.push_back(*std::move(file));
    }
    return MergeCalibrations(files);
  }
  std::string Refusal(const Statistics& a, const Statistics& b) {
    const auto merged = Merge({a, b});
    EXPECT_EQ(KindOf(merged.status()), ErrorKind::kUsage);
    EXPECT_THAT(merged.status().message(), HasSubstr(folder_ / "b"));
    return std::string(merged.status().message());
  }
  TempFolder folder_;
};

Statistics WithGradients(Statistics statistics, float scale) {
  statistics.metadata["gradient_sequences"] = "1";
  statistics.gradients = {{"y", false, 2, 1, 5, {scale, 0, 0, 2 * scale}, {3 * scale}}};
  return statistics;
}

TEST_F(MergeTest, AddsGradients) {
  const auto merged = Merge({WithGradients(OneRun("0", 1), 1), WithGradients(OneRun("1", 2), 3)});
  ASSERT_TRUE(merged.ok()) << merged.status();
  ASSERT_EQ(merged->gradients.size(), 1U);
  EXPECT_THAT(merged->gradients[0].sums, ElementsAre(4, 0, 0, 8));
  EXPECT_THAT(merged->gradients[0].squares, ElementsAre(12));
  EXPECT_EQ(merged->gradients[0].count, 10U);
  EXPECT_EQ(merged->metadata.at("gradient_sequences"), "2");
}

TEST_F(MergeTest, AddsNoGradientsOfSomeRunsToMomentsOfAll) {
  EXPECT_THAT(Refusal(WithGradients(OneRun("0", 1), 1), OneRun("1", 2)),
              HasSubstr("has gradients at 'y', the second has not; files to add all have "
                        "gradients, or none has"));
}

TEST_F(MergeTest, AddsCountsAndSums) {
  const auto merged = Merge({OneRun("0", 1), OneRun("1", 2), OneRun("2", 0.5F)});
  ASSERT_TRUE(merged.ok()) << merged.status();
  ASSERT_EQ(merged->moments.size(), 2U);
  EXPECT_THAT(merged->moments[0].sums, ElementsAre(14, -3.5F, -3.5F, 7));
  EXPECT_EQ(merged->moments[0].count, 30U);
  EXPECT_EQ(merged->moments[1].count, 60U);
  EXPECT_EQ(merged->metadata.at("tokens"), "30");
  EXPECT_EQ(merged->metadata.at("sequences"), "6");
  EXPECT_EQ(merged->metadata.at("seed"), "0, 1, 2");
  EXPECT_EQ(merged->metadata.at("text"), "self");
}

TEST_F(MergeTest, RefusesOtherModelsAndNamesBoth) {
  Statistics other = OneRun("1", 1);
  other.metadata["fingerprint"] = "g";
  EXPECT_THAT(Refusal(OneRun("0", 1), other),
              AllOf(HasSubstr(folder_ / "a"), HasSubstr("(fingerprints f and g)")));
}

TEST_F(MergeTest, RefusesOtherValues) {
  Statistics other = OneRun("1", 1);
  other.moments[1].value = "x";
  EXPECT_THAT(Refusal(OneRun("0", 1), other), HasSubstr("has the value 'w'"));
  other = OneRun("1", 1);
  other.moments.pop_back();
  EXPECT_THAT(Refusal(OneRun("0", 1), other), HasSubstr("the second has not"));
  EXPECT_THAT(Refusal(other, OneRun("0", 1)), HasSubstr("has the value 'w'"));
  other = OneRun("1", 1);
  other.moments[1] = {"w", 2, 20, {1, 0, 0, 1}};
  EXPECT_THAT(Refusal(OneRun("0", 1), other), HasSubstr("of 1 elements, the second one of 2"));
}

TEST_F(MergeTest, RefusesToCountATextTwice) {
  EXPECT_THAT(Refusal(OneRun("0", 1), OneRun("0", 1)), HasSubstr("the text of seed 0"));
  Statistics read = OneRun("0", 1);
  read.metadata["text"] = "tokens";
  read.metadata.erase("seed");
  const auto merged = Merge({read, read, OneRun("0", 1)});
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->metadata.at("text"), "several");
}

TEST_F(MergeTest, RefusesSumsBeyondFloat32) {
  EXPECT_THAT(Refusal(OneRun("0", 8e37F), OneRun("1", 8e37F)),
              HasSubstr("more than float32 holds"));
}

}  // namespace
}  // namespace onnxquant
