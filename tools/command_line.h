// What the user asked for, as data.
#ifndef ONNXQUANT_TOOLS_COMMAND_LINE_H_
#define ONNXQUANT_TOOLS_COMMAND_LINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "onnxquant/quantize.h"

namespace onnxquant::cli {

enum class Command { kConvert, kPlan, kInspect, kDiff, kPolicies };
enum class Verbosity { kQuiet, kNormal, kVerbose };

struct Arguments {
  Command command = Command::kConvert;
  Verbosity verbosity = Verbosity::kNormal;
  std::string model;        // convert, plan, inspect; the first model of diff
  std::string other;        // the second model of diff
  std::string policy_name;  // policies NAME
  PlanOptions plan;
  ApplyOptions apply;
  std::string report;  // convert: path of the JSON report; "" for none
  std::string why;     // plan: explain this tensor, node or value
  bool json = false;   // plan, inspect, diff: print JSON
};

enum class ExitStatus : int {
  kDone = 0,
  kUsage = 1,
  kModel = 2,
  kPolicy = 3,
  kWrite = 4,
  kVerify = 5,
  kInternal = 70,      // EX_SOFTWARE of sysexits.h
  kInterrupted = 130,  // 128 + SIGINT, as shells report it
};

// The arguments, or the status to leave with after help, a version or a usage error was printed.
struct Parsed {
  Arguments arguments;
  std::optional<int> leave_with;
};
Parsed ParseCommandLine(int argc, const char* const* argv);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_COMMAND_LINE_H_
