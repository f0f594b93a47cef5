// The whole of it: include/onnxquant/manifest.h.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"
#include "lib/convert/plan_state.h"
#include "lib/parts/data_files.h"
#include "lib/parts/staging.h"
#include "lib/parts/write_part.h"
#include "onnxquant/manifest.h"
#include "tests/parts/parted_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Files = std::map<std::string, std::string>;

Files Outputs(const TempFolder& folder) {
  Files files;
  for (const std::string& name : folder.Names()) {
    if (name.find("model_") == 0) files[name] = folder.Read(name);
  }
  return files;
}

Files OfOneRun() {
  const TempFolder folder;
  const Plan plan = PartedPlan(folder);
  EXPECT_TRUE(ApplyPlan(plan, {}).ok());
  return Outputs(folder);
}

class PartsTest : public ::testing::Test {
 protected:
  PartsTest() : manifest_(folder_ / "plan.json") {
    const Plan plan = PartedPlan(folder_);
    EXPECT_TRUE(SaveManifest(plan, manifest_, {}).ok());
  }
  TempFolder folder_;
  std::string manifest_;
};

TEST_F(PartsTest, GiveTheBytesOfOneRunInAnyOrder) {
  for (const int number : {3, 1, 2}) {
    const auto report = ApplyPart(manifest_, {number, 3}, {});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_THAT(report->files, SizeIs(1));
  }
  const auto report = FinishManifest(manifest_, {});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Outputs(folder_), OfOneRun());
  EXPECT_THAT(folder_.Names(), ::testing::Not(::testing::Contains("plan.parts")));
}

TEST_F(PartsTest, ReadOnlyWhatTheirFilesAreMadeOf) {
  const auto first = ApplyPart(manifest_, {1, 3}, {});
  EXPECT_EQ(first->bytes_read, 256U * 256U * 4U);
  EXPECT_EQ(first->files[0].sha256, Sha256Of(OfOneRun()["model_fp16.onnx_data"]));
  const auto again = ApplyPart(manifest_, {1, 3}, {});
  EXPECT_EQ(again->bytes_read, 0U);
  EXPECT_TRUE(again->files[0].was_done);
  EXPECT_EQ(again->files[0].sha256, first->files[0].sha256);
}

TEST_F(PartsTest, AreAllDoneWhereNoneIsNamed) {
  ASSERT_TRUE(ApplyPart(manifest_, {2, 3}, {}).ok());
  const auto report = ApplyManifest(manifest_, {.verify = true});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Outputs(folder_), OfOneRun());
}

TEST_F(PartsTest, AreMissedAtTheEnd) {
  ASSERT_TRUE(ApplyPart(manifest_, {2, 3}, {}).ok());
  const auto report = FinishManifest(manifest_, {});
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kVerify);
  EXPECT_THAT(report.status().message(),
              HasSubstr("2 of 3 data files are not done:\n  part 1/3: model_fp16.onnx_data is not "
                        "there\n  part 3/3: model_fp16.onnx_data_1"));
  EXPECT_TRUE(Outputs(folder_).empty());
}

TEST_F(PartsTest, AreCountedFromOneOn) {
  for (const Part part : {Part{0, 3}, Part{4, 3}, Part{1, 0}, Part{-1, -1}}) {
    EXPECT_EQ(KindOf(ApplyPart(manifest_, part, {}).status()), ErrorKind::kUsage);
  }
}

TEST_F(PartsTest, LeaveNothingUnfinishedWhenTheyAreCancelled) {
  const std::atomic<bool> cancelled{true};
  PartOptions options;
  options.apply.cancelled = &cancelled;
  EXPECT_EQ(KindOf(ApplyPart(manifest_, {1, 1}, options).status()), ErrorKind::kCancelled);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "plan.parts"));
}

TEST_F(PartsTest, HaveProgressUpToTheEnd) {
  std::vector<std::uint64_t> done;
  std::uint64_t all = 0;
  PartOptions options;
  options.apply.progress = [&](std::uint64_t now, std::uint64_t total) {
    done.push_back(now);
    all = total;
  };
  ASSERT_TRUE(ApplyPart(manifest_, {1, 1}, options).ok());
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), all);
}

TEST(WriteDataFiles, GivesTheSameBytesSomeAtATime) {
  const TempFolder folder;
  const Plan plan = PartedPlan(folder);
  const PlanAccess::State& state = PlanAccess::StateOf(plan);
  const std::vector<DataFile> files = DataFilesOf(state.outputs);
  std::vector<std::string> expected;
  Files one = OfOneRun();
  for (const DataFile& file : files) expected.push_back(Sha256Of(one[file.name]));
  for (const std::uint64_t at_once : {1UL, 250'000UL, 1'000'000UL}) {
    const Staging staging = *Staging::Make(folder.path(), "some.parts");
    std::vector<std::string> hashes;
    ASSERT_TRUE(WriteDataFiles({&state, "m", {1, 1}}, files, staging, {}, hashes, at_once).ok());
    EXPECT_EQ(hashes, expected) << at_once;
  }
}

}  // namespace
}  // namespace onnxquant
