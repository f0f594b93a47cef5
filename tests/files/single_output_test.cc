#include "lib/files/single_output.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Status WriteTo(const SingleOutput& output, const std::vector<std::string>& inputs) {
  ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles files, OpenOutput(output, inputs, 3));
  const std::string text = "new";
  ONNXQUANT_RETURN_IF_ERROR(files.WriteAt(0, 0, AsBytes(text)));
  return files.Commit();
}

TEST(SingleOutput, AppearsOnCommitAndNotBefore) {
  const TempFolder folder;
  {
    const auto opened = OpenOutput({.path = folder / "new/a"}, {}, 3);
    ASSERT_TRUE(opened.ok()) << opened.status();
  }
  EXPECT_THAT(folder.Names(), IsEmpty());
  ASSERT_TRUE(WriteTo({.path = folder / "new/a"}, {}).ok());
  EXPECT_EQ(folder.Read("new/a"), "new");
}

TEST(SingleOutput, ReplacesAFileOnlyWhenItIsForcedAndAnInputNever) {
  const TempFolder folder;
  folder.Write("a", "old");
  const absl::Status refused = WriteTo({.path = folder / "a", .option = "--other"}, {});
  EXPECT_EQ(KindOf(refused), ErrorKind::kWrite);
  EXPECT_THAT(std::string(refused.message()), AllOf(HasSubstr(folder / "a"), HasSubstr("--other")));
  EXPECT_EQ(KindOf(WriteTo({.path = folder / "a", .force = true}, {folder / "a"})),
            ErrorKind::kWrite);
  EXPECT_EQ(folder.Read("a"), "old");
  EXPECT_TRUE(WriteTo({.path = folder / "a", .force = true}, {folder / "b"}).ok());
  EXPECT_EQ(folder.Read("a"), "new");
  EXPECT_THAT(folder.Names(), ElementsAre("a"));
}

TEST(SingleOutput, StopsWhenTheRunIsCancelled) {
  const TempFolder folder;
  const std::atomic<bool> cancelled{true};
  const SingleOutput output{.path = folder / "a", .waiting = {.cancelled = &cancelled}};
  EXPECT_EQ(KindOf(WriteTo(output, {})), ErrorKind::kCancelled);
  EXPECT_THAT(folder.Names(), IsEmpty());
}

TEST(SingleOutput, NeedsAName) {
  const TempFolder folder;
  EXPECT_EQ(KindOf(WriteTo({.path = folder / ""}, {})), ErrorKind::kWrite);
  EXPECT_EQ(KindOf(WriteTo({}, {})), ErrorKind::kWrite);
}

}  // namespace
}  // namespace onnxquant
