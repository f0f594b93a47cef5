#include "onnxquant/recover.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "tools/commands.h"
#include "tools/options.h"

namespace onnxquant::cli {
namespace {

class RecoverCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  std::string directory_;
};

void RecoverCommand::AddOptions(CLI::App& app) {
  app.add_option("DIR", directory_, "the folder that it wrote to")->type_name("DIR")->required();
  AddVerbosity(app);
}

void Print(const char* what, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) std::printf("%s %s\n", what, path.c_str());
}

absl::Status RecoverCommand::Run(const Surroundings& surroundings) const {
  ONNXQUANT_ASSIGN_OR_RETURN(
      const Recovery recovery,
      Recover(directory_, {.cancelled = surroundings.cancelled, .notice = surroundings.notice}));
  if (surroundings.quiet()) return absl::OkStatus();
  Print("completed:", recovery.completed);
  Print("taken back:", recovery.restored);
  Print("removed:", recovery.removed);
  if (recovery.nothing()) {
    std::printf("%s: there is nothing to recover\n", directory_.c_str());
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewRecover() {
  return std::make_unique<RecoverCommand>();
}

}  // namespace onnxquant::cli
