#include "lib/parts/staging.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Record RecordOf(const std::string& manifest = "m") {
  Record record;
  record.manifest = manifest;
  record.file = "data";
  record.bytes = 7;
  record.part = {1, 2};
  return record;
}

class StagingTest : public ::testing::Test {
 protected:
  StagingTest() : staging_(*Staging::Make(temp_ / "new/out", "plan.parts")) {}

  void WriteDone() {
    StagedFile staged = *staging_.Begin("data", 7);
    const std::string content = "content";
    ASSERT_TRUE(staged.WriteAt(0, AsBytes(content)).ok());
    std::string hash;
    ASSERT_TRUE(staging_.Finish(staged, RecordOf(), hash, nullptr).ok());
    EXPECT_EQ(hash, Sha256Of("content"));
  }

  DataFileState Look(bool verify = false) const {
    const auto found = staging_.Look({"m", "data", 7, verify}, nullptr);
    EXPECT_TRUE(found.ok()) << found.status();
    return *found;
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(staging_.folder()->path())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  TempFolder temp_;
  Staging staging_;
};

TEST_F(StagingTest, HasAFileOnceItIsDone) {
  EXPECT_EQ(Look().why_not, "is not there");
  WriteDone();
  EXPECT_THAT(Names(), UnorderedElementsAre("data", "data.json"));
  ASSERT_TRUE(Look(true).record.has_value());
  EXPECT_EQ(Look().record->sha256, Sha256Of("content"));
}

TEST_F(StagingTest, KeepsNothingOfAFileThatIsGivenUp) {
  { const StagedFile staged = *staging_.Begin("data", 7); }
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(StagingTest, RemovesWhatKilledRunsOfTheSameFileLeft) {
  temp_.Write("new/out/plan.parts/data.h-1-2.tmp", "x");
  temp_.Write("new/out/plan.parts/data.json.h-1-2.tmp", "x");
  temp_.Write("new/out/plan.parts/data_1.h-1-2.tmp", "x");
  WriteDone();
  EXPECT_THAT(Names(), UnorderedElementsAre("data", "data.json", "data_1.h-1-2.tmp"));
}

TEST_F(StagingTest, LetsTheLaterOfTwoRunsDoTheWork) {
  StagedFile first = *staging_.Begin("data", 7);
  StagedFile second = *staging_.Begin("data", 7);
  std::string hash;
  const absl::Status status = staging_.Finish(first, RecordOf(), hash, nullptr);
  EXPECT_EQ(KindOf(status), ErrorKind::kWrite);
  EXPECT_THAT(status.message(), HasSubstr("another run of this part has begun since"));
  EXPECT_TRUE(staging_.Finish(second, RecordOf(), hash, nullptr).ok());
  EXPECT_TRUE(Look(true).record.has_value());
}

TEST_F(StagingTest, SaysWhatIsWrongWithAFile) {
  WriteDone();
  temp_.Write("new/out/plan.parts/data", "changed");
  EXPECT_TRUE(Look().record.has_value());
  EXPECT_THAT(Look(true).why_not, HasSubstr("another SHA-256"));
  temp_.Write("new/out/plan.parts/data", "cut");
  EXPECT_EQ(Look().why_not, "has 3 bytes, expected 7");
  std::filesystem::remove(temp_ / "new/out/plan.parts/data");
  EXPECT_EQ(Look().why_not, "is not there, though its record is");
  std::filesystem::create_directory(temp_ / "new/out/plan.parts/data");
  EXPECT_EQ(Look().why_not, "is no regular file");
  temp_.Write("new/out/plan.parts/data.json", "{");
  EXPECT_THAT(Look().why_not, HasSubstr("has a damaged record"));
}

TEST_F(StagingTest, RefusesFilesOfAnotherManifest) {
  temp_.Write("new/out/plan.parts/data.json", ToText(RecordOf("other")));
  const auto found = staging_.Look({"m", "data", 7, false}, nullptr);
  EXPECT_EQ(KindOf(found.status()), ErrorKind::kUsage);
  EXPECT_THAT(found.status().message(), HasSubstr("is of another manifest"));
}

TEST_F(StagingTest, GoesWithItsFilesUnlessThereAreOthers) {
  WriteDone();
  temp_.Write("new/out/plan.parts/other", "x");
  staging_.Clear({"data"});
  EXPECT_THAT(Names(), UnorderedElementsAre("other"));
  std::filesystem::remove(temp_ / "new/out/plan.parts/other");
  staging_.Clear({"data"});
  EXPECT_FALSE((*Staging::Find(temp_ / "new/out", "plan.parts")).has_value());
}

}  // namespace
}  // namespace onnxquant
