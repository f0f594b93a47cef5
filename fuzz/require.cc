#include "fuzz/require.h"

#include <cstdio>
#include <cstdlib>

#include "onnxquant/error.h"

namespace onnxquant::fuzz {

void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "required, and not so: %s\n", what.c_str());
  std::abort();
}

void RequireToldWell(const absl::Status& status) {
  if (status.ok()) return;
  Require(KindOf(status) != ErrorKind::kInternal,
          "an error that is the input's; got " + std::string(status.message()));
  Require(!status.message().empty(), "an error with a message");
}

}  // namespace onnxquant::fuzz
