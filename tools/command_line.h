// What the user asked for, as data.
#ifndef ONNXQUANT_TOOLS_COMMAND_LINE_H_
#define ONNXQUANT_TOOLS_COMMAND_LINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/runtime/runner.h"
#include "onnxquant/quantize.h"

namespace onnxquant::cli {

enum class Command {
  kConvert,
  kPlan,
  kInspect,
  kCheck,
  kDiff,
  kRanges,
  kCalibrate,
  kTune,
  kVerify,
  kRecover,
  kPolicies,
  kFormats
};
enum class Verbosity { kQuiet, kNormal, kVerbose };

// What verify and ranges run models with.
struct MeasureArguments {
  RunnerFactory factory;  // from the program, not from its arguments
  std::string tokens;     // a file, or "self"
  std::vector<std::string> providers = {"cpu"};
  std::size_t count = 0;   // tokens; 0: all
  std::size_t chunk = 64;  // tokens a step
  std::size_t greedy = 16;
  std::uint64_t seed = 0;
  std::vector<std::string> dims;  // "name=16"
  std::string library;
  std::uint64_t memory = 0;  // 0: the command's default
  bool force = false;        // replace the report
  double margin = 2;         // ranges: how near to 65504 a value is shown
  bool layers = false;       // verify: compare inner values
  std::optional<double> max_kl;
  std::optional<double> min_top1;
  std::optional<double> max_error;
};

// What calibrate takes beside.
struct CalibrateArguments {
  std::size_t sequences = 96;
  std::size_t length = 256;
  std::size_t batch = 96;
  std::size_t gradients = 0;
  std::vector<std::string> merge;  // files to add up instead of running a model
};

// What tune takes beside.
struct TuneArguments {
  std::optional<std::uint64_t> size;
  std::vector<std::string> formats;
  std::string cache;
  bool front = false;
  bool measure = false;
  bool confirm = true;
};

struct Arguments {
  Command command = Command::kConvert;
  Verbosity verbosity = Verbosity::kNormal;
  std::string model;                    // convert, plan, inspect, check; the first model of diff
  std::string other;                    // the second model of diff
  std::string policy_name;              // policies NAME
  bool schema = false;                  // policies: print the schema of policy files
  std::string directory;                // recover
  std::vector<std::string> candidates;  // verify
  MeasureArguments measure;             // verify, ranges, calibrate, tune
  CalibrateArguments calibrate;
  TuneArguments tune;
  PlanOptions plan;
  ApplyOptions apply;
  std::vector<std::string> sessions;  // convert, plan: of a folder, "decoder*=q4f16:fp16"
  // All that measure, plan or check: path of the report; "" for none. calibrate, tune: of their
  // file.
  std::string report;
  std::string why;                // plan: explain this tensor, node or value
  bool json = false;              // all that print a result: print JSON
  std::string target = "webgpu";  // check
  bool strict = false;            // check: warnings count
  bool fix = false;               // check: convert as it recommends
  bool run = false;               // check: run the model, too
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
