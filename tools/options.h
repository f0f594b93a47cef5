// Options that several commands have: what they set, and how they are added.
#ifndef ONNXQUANT_TOOLS_OPTIONS_H_
#define ONNXQUANT_TOOLS_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnxquant/manifest.h"
#include "onnxquant/quantize.h"
#include "tools/command.h"

namespace CLI {
class Option;
}

namespace onnxquant::cli {

CLI::Option* AddModel(CLI::App& app, std::string& model, bool or_folder = false);

// A size in bytes, such as 512M or 512Mi.
CLI::Option* AddSize(CLI::App& app, const std::string& name, std::uint64_t& size,
                     const std::string& help);
CLI::Option* AddSize(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& size,
                     const std::string& help);

// What decides: the policy, whose option is returned, and what it reads.
CLI::Option* AddPolicy(CLI::App& app, PlanOptions& plan);

void AddThreadsAndMemory(CLI::App& app, int& threads, std::uint64_t& memory);

// "3/8". Error (kUsage): it is no such text; whether there is such a part is not looked at.
absl::StatusOr<Part> ParsePart(const std::string& text);

// --report, for the path of a page or of JSON.
void AddReport(CLI::App& app, std::string& report);

void AddForce(CLI::App& app, bool& force, const char* help);

void AddJson(CLI::App& app, bool& json);

// -q and -v, which set nothing: VerbosityOf reads them.
void AddVerbosity(CLI::App& app);

// What the arguments of `app` say; nothing where they say nothing.
std::optional<Verbosity> VerbosityOf(const CLI::App& app);

// What to convert, and how: of convert and plan.
struct ConversionOptions {
  std::string model;  // or a folder of models
  PlanOptions plan;
  std::vector<std::string> sessions;  // of a folder, "decoder*=q4f16:fp16"
  std::string report;                 // its path; "": none
  bool force = false;                 // replace files

  // MODEL, which it returns, and what decides what the outputs are; --report and --force are not
  // the same everywhere.
  CLI::Option* Add(CLI::App& app);
};

// --inputs, for files of arrays.
void AddInputs(CLI::App& app, std::vector<std::string>& inputs);

// What a model is run with.
struct RuntimeOptions {
  std::uint64_t seed = 0;
  std::vector<std::string> dims;  // "name=16"
  std::string library;

  void Add(CLI::App& app);
};

// What a model is run on.
struct RunOptions {
  std::string tokens;      // a file, or "self"
  std::size_t count = 0;   // tokens; 0: all
  std::size_t chunk = 64;  // tokens a step
  RuntimeOptions runtime;
  std::vector<std::string> inputs;  // files of arrays, and folders of them
  std::uint64_t memory = 0;         // 0: the command's default

  void Add(CLI::App& app);
};

// Where models are run, and how far.
struct ProviderOptions {
  std::vector<std::string> providers = {"cpu"};
  std::size_t greedy = 16;

  // `who`: "the candidates run".
  void Add(CLI::App& app, const char* who);
};

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_OPTIONS_H_
