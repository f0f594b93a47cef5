#include "lib/files/system_call.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {

absl::Status SystemError(const std::string& path, const char* what, int error, const char* option) {
  std::string remedy;
  if (error == ENOSPC || error == EDQUOT) {
    remedy = absl::StrCat(": free some space or choose another folder (", option, ")");
  }
  if (error == EACCES || error == EROFS || error == EPERM) {
    remedy = absl::StrCat(": choose another folder (", option, ")");
  }
  if (error == EMFILE) {
    remedy =
        ": raise the limit on open files (ulimit -n), make fewer of them (--max-shard), or save "
        "the plan (--manifest) and apply that, which opens one after the other";
  }
  if (error == EFBIG) remedy = ": raise the limit on file sizes (ulimit -f)";
  return WriteError(path, ": ", what, " failed: ", std::strerror(error), remedy);
}

}  // namespace onnxquant
