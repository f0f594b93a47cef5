#include "lib/files/pending.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/files/placing.h"
#include "lib/files/recovery.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

TEST(Pending, IsEveryFileOfASetThatIsHalfInPlaceAndNoOther) {
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  temp.Write("other", "");
  EXPECT_TRUE(CheckNotPending(temp / "kept").ok());
  ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
  ASSERT_TRUE(Place(*set.folders[0], set.journal.entries[0]).ok());
  for (const char* name : {"kept", "fresh", "stale"}) {
    const absl::Status status = CheckNotPending(temp / name);
    EXPECT_EQ(KindOf(status), ErrorKind::kModel) << name;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("was left half-written by an interrupted run: 'onnxquant recover " +
                          temp.path() + "'"));
  }
  EXPECT_TRUE(CheckNotPending(temp / "other").ok());
  EXPECT_TRUE(CheckNotPending("/nowhere/at/all").ok());
}

TEST(Pending, IsNothingThatIsWhollyInPlace) {
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
  for (const JournalEntry& entry : set.journal.entries) {
    ASSERT_TRUE(Place(*set.folders[0], entry).ok());
  }
  EXPECT_TRUE(CheckNotPending(temp / "kept").ok());
}

}  // namespace
}  // namespace onnxquant
