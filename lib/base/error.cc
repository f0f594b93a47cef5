#include "lib/base/error.h"

#include <array>
#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/base/visible.h"

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

// The lines of a message begin with two spaces from the second on, so that a name with a line break
// in it cannot pass for a message of its own.
std::string Shown(const std::string& message) {
  constexpr char kOwnLine[] = "\n  ";
  return absl::StrJoin(
      absl::StrSplit(message, kOwnLine), kOwnLine,
      [](std::string* out, absl::string_view line) { out->append(Visible(line)); });
}

}  // namespace

absl::Status MakeError(ErrorKind kind, const std::string& message) {
  absl::Status status(CodeOf(kind), Shown(message));
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
