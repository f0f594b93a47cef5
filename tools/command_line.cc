#include "tools/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tools/argument_errors.h"
#include "tools/commands.h"
#include "tools/options.h"

namespace onnxquant::cli {
namespace {

constexpr char kVersion[] = ONNXQUANT_VERSION;

constexpr char kFooter[] = R"(Examples:
  onnxquant --policy gemma-safe onnx/model.onnx
  onnxquant --policy gemma-web --dtype q4f16 -o web/onnx onnx/model.onnx
  onnxquant plan --policy gemma-web --why model.embed_tokens.weight onnx/model.onnx
  onnxquant plan --policy gemma-web --manifest plan.json onnx/model.onnx
  onnxquant apply --manifest plan.json --part 3/8
  onnxquant check onnx/model_fp16.onnx
  onnxquant ranges model.onnx --tokens self -o ranges.json
  onnxquant calibrate model.onnx -o calibration.safetensors
  onnxquant tune --policy gemma-web --dtype q4f16 --size 200M -o mine.yaml model.onnx
  onnxquant verify model.onnx model_fp16.onnx --tokens text.npy --provider cpu,webgpu

Exit status: 0 done, 1 usage, 2 the model is bad or unsupported, 3 the policy is bad,
4 writing failed, 5 verification failed, check found faults or parts are missing,
130 interrupted.)";

// A command and its part of the command line.
struct Entry {
  CLI::App* app = nullptr;
  std::unique_ptr<Command> command;
};

bool SameKind(const CLI::Option& one, const CLI::Option& other) {
  return one.get_type_name() == other.get_type_name() &&
         one.get_option_text() == other.get_option_text();
}

// What stands before the name of a command holds for the command, too, where nothing after it says
// otherwise. -o before tune does not: it names a folder, and that of tune a file.
void TakeOver(const CLI::App& before, CLI::App& app) {
  for (const CLI::Option* given : before.get_options()) {
    CLI::Option* own = given->count() == 0 ? nullptr : app.get_option_no_throw(given->get_name());
    if (own == nullptr || own->count() > 0 || !SameKind(*given, *own)) continue;
    own->add_result(given->results());
    own->run_callback();
  }
}

// Of the entries, the first is convert's: it has no name.
Entry& Chosen(std::vector<Entry>& entries) {
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].app->parsed()) return entries[i];
  }
  return entries.front();
}

}  // namespace

Parsed ParseCommandLine(int argc, const char* const* argv) {
  Parsed parsed;
  const auto app = std::make_shared<CLI::App>(
      "Converts ONNX models to fewer bits, as a policy says, and keeps them right.", "onnxquant");
  parsed.app = app;
  app->footer(kFooter);
  app->set_version_flag("--version", std::string("onnxquant ") + kVersion);
  app->require_subcommand(0, 1);
  app->get_formatter()->column_width(34);
  app->failure_message(ArgumentError);
  std::vector<Entry> entries;
  entries.push_back({app.get(), NewConvert()});
  for (const CommandRow& row : Commands()) {
    entries.push_back({app->add_subcommand(row.name, row.about), row.make()});
  }
  for (const Entry& entry : entries) entry.command->AddOptions(*entry.app);
  try {
    app->parse(argc, argv);
    Entry& chosen = Chosen(entries);
    for (const CLI::App* one : {app.get(), chosen.app}) {
      if (const auto said = VerbosityOf(*one)) parsed.verbosity = *said;
    }
    if (chosen.app != app.get()) TakeOver(*app, *chosen.app);
    const std::string missing = chosen.command->Missing();
    if (!missing.empty()) throw CLI::RequiredError(missing);
    parsed.command = std::move(chosen.command);
  } catch (const CLI::ParseError& error) {
    const bool failed = app->exit(error, std::cout, std::cerr) != 0;
    parsed.leave_with = static_cast<int>(failed ? ExitStatus::kUsage : ExitStatus::kDone);
  }
  return parsed;
}

}  // namespace onnxquant::cli
