#include "lib/parts/data_files.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/convert/plan_state.h"
#include "tests/parts/parted_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<DataFile> FilesOfCosts(const std::vector<std::uint64_t>& costs) {
  std::vector<DataFile> files;
  for (const std::uint64_t cost : costs) {
    files.emplace_back();
    files.back().bytes = cost;
  }
  return files;
}

std::vector<std::string> NamesOf(const std::vector<DataFile>& files) {
  std::vector<std::string> names;
  for (const DataFile& file : files) names.push_back(file.name);
  return names;
}

TEST(DataFiles, OfOutputsThatAreMadeOfTheSameStretchStandTogether) {
  const TempFolder folder;
  const Plan plan = PartedPlan(folder);
  const std::vector<DataFile> files = DataFilesOf(PlanAccess::StateOf(plan).outputs);
  EXPECT_THAT(NamesOf(files),
              ElementsAre("model_fp16.onnx_data", "model_q4.onnx_data", "model_fp16.onnx_data_1"));
  EXPECT_EQ(files[0].source_bytes, 256U * 256U * 4U);
  EXPECT_EQ(files[1].source_bytes, 2U * 256U * 256U * 4U);
  for (const DataFile& file : files) EXPECT_EQ(file.jobs, file.owned);
}

TEST(DataFiles, BelongToOnePartEach) {
  const std::vector<DataFile> files = FilesOfCosts({5, 100, 1, 1, 50, 7, 3, 900, 20});
  for (const int of : {1, 2, 3, 8, 9, 50}) {
    std::multiset<std::size_t> seen;
    for (int number = 1; number <= of; ++number) {
      for (const std::size_t i : FilesOfPart(files, {number, of})) {
        seen.insert(i);
        EXPECT_EQ(NumberOfPart(files, i, of), number);
      }
    }
    EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8)) << of;
  }
}

TEST(DataFiles, OfOneSizeAreSharedOutEvenly) {
  const std::vector<DataFile> files = FilesOfCosts(std::vector<std::uint64_t>(100, 1'900'000'000));
  for (int number = 1; number <= 8; ++number) {
    const std::size_t count = FilesOfPart(files, {number, 8}).size();
    EXPECT_TRUE(count == 12 || count == 13) << number << ": " << count;
  }
  EXPECT_THAT(FilesOfPart(FilesOfCosts({}), {1, 2}), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
