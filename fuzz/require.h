// What a fuzzer finds besides crashes: answers that are wrong for any input.
#ifndef ONNXQUANT_FUZZ_REQUIRE_H_
#define ONNXQUANT_FUZZ_REQUIRE_H_

#include <string>

#include "absl/status/status.h"

namespace onnxquant::fuzz {

// Ends the process, as a crash, where it does not hold.
void Require(bool holds, const std::string& what);

// An error must be the input's: one of kind kInternal, or without a message, is a defect.
void RequireToldWell(const absl::Status& status);

}  // namespace onnxquant::fuzz

#endif  // ONNXQUANT_FUZZ_REQUIRE_H_
