#include "lib/base/error.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(Error, KeepsItsKindAndMessage) {
  for (const ErrorKind kind :
       {ErrorKind::kUsage, ErrorKind::kModel, ErrorKind::kPolicy, ErrorKind::kWrite,
        ErrorKind::kVerify, ErrorKind::kCancelled, ErrorKind::kInternal}) {
    const absl::Status status = MakeError(kind, "what happened");
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(KindOf(status), kind);
    EXPECT_EQ(status.message(), "what happened");
  }
}

TEST(Error, ForeignStatusCountsAsInternal) {
  EXPECT_EQ(KindOf(absl::NotFoundError("x")), ErrorKind::kInternal);
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return ModelError(value, " is odd");
  return value / 2;
}

absl::Status Quarter(int value, int* out) {
  ONNXQUANT_ASSIGN_OR_RETURN(const int half, Half(value));
  ONNXQUANT_ASSIGN_OR_RETURN(*out, Half(half));
  return absl::OkStatus();
}

TEST(Error, MacrosPassTheFirstErrorOn) {
  int out = 0;
  EXPECT_TRUE(Quarter(8, &out).ok());
  EXPECT_EQ(out, 2);
  EXPECT_EQ(Quarter(6, &out).message(), "3 is odd");
}

}  // namespace
}  // namespace onnxquant
