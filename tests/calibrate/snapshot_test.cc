#include "lib/calibrate/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

class SnapshotTest : public ::testing::Test {
 protected:
  static MomentSums Sums() { return MomentSums({{"a", 3, "layer 1"}, {"b", 70, ""}}, 1); }
  static absl::Status Add(MomentSums& sums, float first) {
    std::vector<float> a(3 * 5);
    std::vector<float> b(70 * 5);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = first + static_cast<float>(i);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = first - static_cast<float>(i);
    return sums.Add({Tensor::OfFloats(ElementType::kFloat, {5, 3}, std::move(a)),
                     Tensor::OfFloats(ElementType::kFloat, {1, 5, 70}, std::move(b))});
  }
  absl::Status Write(MomentSums& sums) {
    return WriteSnapshot({.path = folder_ / "s", .force = true}, place_, done_, sums);
  }
  TempFolder folder_;
  SnapshotPlace place_{"this run", 2, 7, {{1, 2}, {3}}};
  std::vector<Moments> done_{{"before", 2, 9, {1, 2, 2, 5}}};
};

TEST_F(SnapshotTest, GivesBackWhatWasSummed) {
  MomentSums whole = Sums();
  ASSERT_TRUE(Add(whole, 0.5F).ok());
  ASSERT_TRUE(Write(whole).ok());
  const auto snapshot = Snapshot::Open(folder_ / "s");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->place().run, "this run");
  EXPECT_EQ(snapshot->place().pass, 2U);
  EXPECT_EQ(snapshot->place().texts, 7U);
  EXPECT_EQ(snapshot->place().written, place_.written);
  const std::vector<Moments> done = snapshot->Done();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].value, "before");
  EXPECT_EQ(done[0].count, 9U);
  EXPECT_EQ(done[0].sums, done_[0].sums);
  MomentSums again = Sums();
  ASSERT_TRUE(snapshot->Restore(again).ok());
  for (MomentSums* sums : {&whole, &again}) ASSERT_TRUE(Add(*sums, 0.25F).ok());
  const auto expected = std::move(whole).Finish();
  const auto found = std::move(again).Finish();
  ASSERT_TRUE(expected.ok() && found.ok());
  for (std::size_t i = 0; i < expected->size(); ++i) {
    EXPECT_EQ((*found)[i].count, 10U);
    EXPECT_EQ((*found)[i].sums, (*expected)[i].sums);
  }
}

TEST_F(SnapshotTest, RefusesSumsOfOtherValues) {
  MomentSums sums = Sums();
  ASSERT_TRUE(Write(sums).ok());
  const auto snapshot = Snapshot::Open(folder_ / "s");
  ASSERT_TRUE(snapshot.ok());
  MomentSums other({{"a", 3, ""}, {"c", 70, ""}}, 1);
  const absl::Status status = snapshot->Restore(other);
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_THAT(std::string(status.message()), HasSubstr("sums of other values"));
}

TEST_F(SnapshotTest, RefusesWhatIsDamaged) {
  MomentSums sums = Sums();
  ASSERT_TRUE(Write(sums).ok());
  const std::string whole = folder_.Read("s");
  const auto refused = [&](const std::string& bytes) {
    folder_.Write("s", bytes);
    return !Snapshot::Open(folder_ / "s").ok();
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused(whole.substr(0, whole.size() - 4)));
  for (const std::string word : {"unfinished", "texts", "sums/a", "\\\"pass\\\"", "[2]"}) {
    std::string changed = whole;
    const std::size_t at = changed.find(word);
    if (at == std::string::npos) continue;
    changed[at] = '#';
    EXPECT_TRUE(refused(changed)) << word;
  }
}

}  // namespace
}  // namespace onnxquant
