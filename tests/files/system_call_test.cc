#include "lib/files/system_call.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

bool IsOpen(int number) {
  return fcntl(number, F_GETFD) != -1;
}

TEST(DescriptorTest, IsClosedOnceByItsLastOwner) {
  int number = -1;
  {
    Descriptor first(open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = first.number();
    const Descriptor second(std::move(first));
    EXPECT_EQ(second.number(), number);
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
  EXPECT_FALSE(Descriptor().valid());
}

TEST(RetryTest, GoesOnAfterSignalsOnly) {
  int calls = 0;
  const auto call = [&calls] {
    errno = ++calls < 3 ? EINTR : EIO;
    return calls < 4 ? -1 : 0;
  };
  EXPECT_EQ(Retry(call), -1);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(errno, EIO);
}

TEST(SystemErrorTest, SaysWhatToDo) {
  const absl::Status full = SystemError("a/b", "writing", ENOSPC, "--report");
  EXPECT_EQ(KindOf(full), ErrorKind::kWrite);
  EXPECT_EQ(std::string(full.message()),
            "a/b: writing failed: No space left on device: free some space or choose another "
            "folder (--report)");
  EXPECT_THAT(std::string(SystemError("a", "naming it", EIO, "-o").message()),
              EndsWith("Input/output error"));
  EXPECT_THAT(std::string(SystemError("a", "creating it", EMFILE, "-o").message()),
              AllOf(HasSubstr("(ulimit -n)"), HasSubstr("(--max-shard)"), HasSubstr("--manifest")));
}

}  // namespace
}  // namespace onnxquant
