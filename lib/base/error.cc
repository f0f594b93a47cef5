#include "lib/base/error.h"

#include <array>
#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace onnxquant {
namespace {

constexpr char kKindUrl[] = "onnxquant/error-kind";

absl::StatusCode CodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kPolicy:
      return absl::StatusCode::kInvalidArgument;
    case ErrorKind::kModel:
      return absl::StatusCode::kDataLoss;
    case ErrorKind::kWrite:
      return absl::StatusCode::kUnavailable;
    case ErrorKind::kVerify:
      return absl::StatusCode::kFailedPrecondition;
    case ErrorKind::kCancelled:
      return absl::StatusCode::kCancelled;
    case ErrorKind::kInternal:
      break;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status MakeError(ErrorKind kind, const std::string& message) {
  absl::Status status(CodeOf(kind), message);
  status.SetPayload(kKindUrl,
                    absl::Cord(std::string(1, static_cast<char>('0' + static_cast<int>(kind)))));
  return status;
}

ErrorKind KindOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kKindUrl);
  if (!payload.has_value() || payload->size() != 1) {
    return ErrorKind::kInternal;
  }
  return static_cast<ErrorKind>(std::string(*payload)[0] - '0');
}

absl::Status CheckCancelled(const std::function<bool()>& cancelled) {
  if (!cancelled || !cancelled()) return absl::OkStatus();
  return MakeError(ErrorKind::kCancelled, "interrupted");
}

absl::Status CheckCancelled(const std::atomic<bool>* cancelled) {
  return CheckCancelled([cancelled] { return cancelled != nullptr && cancelled->load(); });
}

}  // namespace onnxquant
