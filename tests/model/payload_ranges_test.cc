#include "lib/model/payload_ranges.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

std::string Said(PayloadRanges ranges) {
  const absl::Status status = CheckOverlaps(ranges);
  return status.ok() ? "" : std::string(status.message());
}

TEST(PayloadRanges, MayShareOnePlaceOrNone) {
  EXPECT_EQ(Said({{"d", {{0, 16, "a"}, {16, 8, "b"}, {0, 16, "c"}, {4, 0, "empty"}}}}), "");
  EXPECT_EQ(Said({{"d", {{0, 16, "a"}}}, {"e", {{8, 16, "b"}}}}), "");
}

TEST(PayloadRanges, MayNotOverlapInPart) {
  EXPECT_THAT(Said({{"d", {{8, 16, "b"}, {0, 16, "a"}}}}),
              testing::HasSubstr("a and b overlap in 'd' (bytes 0 to 16 and from 8)"));
}

}  // namespace
}  // namespace onnxquant
