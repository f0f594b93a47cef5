// What every command of the program is.
#ifndef ONNXQUANT_TOOLS_COMMAND_H_
#define ONNXQUANT_TOOLS_COMMAND_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "lib/files/folder_lock.h"
#include "lib/runtime/runner.h"

namespace CLI {
class App;
}

namespace onnxquant::cli {

enum class Verbosity { kQuiet, kNormal, kVerbose };

// What the program gives to whichever command runs.
struct Surroundings {
  Verbosity verbosity = Verbosity::kNormal;
  const std::atomic<bool>* cancelled = nullptr;  // set once Ctrl-C is pressed, while it is held
  // Tells the user a sentence while the command goes on; none with --quiet.
  std::function<void(const std::string& sentence)> notice;
  RunnerFactory factory;          // runs models
  const CLI::App* app = nullptr;  // the whole command line, for what describes it

  bool quiet() const { return verbosity == Verbosity::kQuiet; }
  bool verbose() const { return verbosity == Verbosity::kVerbose; }
  // What to do where another run writes to the same folder.
  Waiting waiting() const { return {.cancelled = cancelled, .notice = notice}; }
};

// Its members are what the options set.
class Command {
 public:
  virtual ~Command() = default;

  // `app` is this command's own part of the command line, or all of it where it has no name.
  virtual void AddOptions(CLI::App& app) = 0;

  // Which options it lacks, where no single one is required by itself; "" for none.
  virtual std::string Missing() const { return ""; }

  // Prints its result on stdout; an error is printed by who calls it.
  virtual absl::Status Run(const Surroundings& surroundings) const = 0;
};

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_COMMAND_H_
