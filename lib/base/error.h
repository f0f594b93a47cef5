// Errors that cross a boundary: an absl::Status whose message says place, object, found, expected
// and remedy, and a kind that says whose fault it is (the command line turns it into an exit
// status).
#ifndef ONNXQUANT_LIB_BASE_ERROR_H_
#define ONNXQUANT_LIB_BASE_ERROR_H_

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "onnxquant/error.h"

namespace onnxquant {

// A status of the given kind. `message` is a whole sentence for the user; what names from models,
// policies or paths hold that a terminal would obey is escaped (lib/base/visible.h).
absl::Status MakeError(ErrorKind kind, const std::string& message);

template <typename... Parts>
absl::Status UsageError(const Parts&... parts) {
  return MakeError(ErrorKind::kUsage, absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status ModelError(const Parts&... parts) {
  return MakeError(ErrorKind::kModel, absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status PolicyError(const Parts&... parts) {
  return MakeError(ErrorKind::kPolicy, absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status WriteError(const Parts&... parts) {
  return MakeError(ErrorKind::kWrite, absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status InternalError(const Parts&... parts) {
  return MakeError(ErrorKind::kInternal, absl::StrCat(parts...));
}

// kCancelled once `cancelled` is given and says so.
absl::Status CheckCancelled(const std::function<bool()>& cancelled);
absl::Status CheckCancelled(const std::atomic<bool>* cancelled);

}  // namespace onnxquant

#define ONNXQUANT_RETURN_IF_ERROR(expression)              \
  do {                                                     \
    ::absl::Status onnxquant_status_ = (expression);       \
    if (!onnxquant_status_.ok()) return onnxquant_status_; \
  } while (false)

#define ONNXQUANT_CONCAT_INNER_(a, b) a##b
#define ONNXQUANT_CONCAT_(a, b) ONNXQUANT_CONCAT_INNER_(a, b)
#define ONNXQUANT_ASSIGN_OR_RETURN(lhs, expression) \
  ONNXQUANT_ASSIGN_OR_RETURN_IMPL_(ONNXQUANT_CONCAT_(onnxquant_or_, __LINE__), lhs, expression)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
#define ONNXQUANT_ASSIGN_OR_RETURN_IMPL_(or_name, lhs, expression) \
  auto or_name = (expression);                                     \
  if (!or_name.ok()) return std::move(or_name).status();           \
  lhs = std::move(or_name).value()
// NOLINTEND(bugprone-macro-parentheses)

#endif  // ONNXQUANT_LIB_BASE_ERROR_H_
