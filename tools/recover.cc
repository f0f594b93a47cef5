#include "onnxquant/recover.h"

#include <cstdio>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "tools/commands.h"

namespace onnxquant::cli {
namespace {

void Print(const char* what, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) std::printf("%s %s\n", what, path.c_str());
}

}  // namespace

absl::Status ShowRecovery(const Arguments& arguments) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Recovery recovery,
                             Recover(arguments.directory, {.cancelled = arguments.apply.cancelled,
                                                           .notice = arguments.apply.notice}));
  if (arguments.verbosity == Verbosity::kQuiet) return absl::OkStatus();
  Print("completed:", recovery.completed);
  Print("taken back:", recovery.restored);
  Print("removed:", recovery.removed);
  if (recovery.nothing()) {
    std::printf("%s: there is nothing to recover\n", arguments.directory.c_str());
  }
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
