// The tables that convert and plan share.
#ifndef ONNXQUANT_TOOLS_RESULT_TABLE_H_
#define ONNXQUANT_TOOLS_RESULT_TABLE_H_

#include <string>

#include "onnxquant/report.h"
#include "tools/command.h"

namespace onnxquant::cli {

// A row per file: bytes, ratio to the input, weights by format, values kept in float32, casts.
std::string ResultTable(const Report& report);

// As it was `asked` for; where it was left open, that which was chosen, and why.
std::string PolicyText(const std::string& asked, const Report& report);

// "fp16, q4, q4f16"
std::string DtypeList(const Report& report);

// The weights that stay floats though the policy asks for codes, by reason, those of most bytes
// first; "" for none. Without --verbose: those of 64 KB and more, five reasons for each output.
std::string LeftInFloat(const Report& report, Verbosity verbosity);

// What the user should know of each output, a line each; without --verbose only the first of many.
std::string Warnings(const Report& report, Verbosity verbosity);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_RESULT_TABLE_H_
