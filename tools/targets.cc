#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/report/table.h"
#include "lib/targets/facts.h"
#include "lib/targets/target.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

using Json = nlohmann::ordered_json;

class TargetsCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override { AddJson(app, json_); }
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  bool json_ = false;
};

// The targets of whose places one has these kernels.
std::string Affected(const Fact& fact) {
  std::string names;
  for (const TargetRow& row : Targets()) {
    for (const Place& place : row.places) {
      if (place.kernels != fact.kernels || row.places.size() > 1) continue;
      absl::StrAppend(&names, names.empty() ? "" : ", ", row.name);
    }
  }
  return names;
}

std::string Versions(const Fact& fact) {
  const bool always = fact.from == Version{} && fact.until == Version{};
  if (always) return "all";
  return absl::StrCat(
      fact.from == Version{} ? "" : absl::StrCat("from ", fact.from.ToString()),
      fact.until == Version{} ? "" : absl::StrCat("before ", fact.until.ToString()));
}

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFails:
      return "fails";
    case Outcome::kMissing:
      return "no kernel";
    case Outcome::kMisplaced:
      break;
  }
  return "on the CPU";
}

Json AllAsJson() {
  Json targets = Json::array();
  for (const TargetRow& row : Targets()) {
    targets.push_back({{"name", std::string(row.name)},
                       {"newest", row.newest.ToString()},
                       {"oldest", row.oldest.ToString()},
                       {"about", std::string(row.about)}});
  }
  Json facts = Json::array();
  for (const Fact& fact : Facts()) {
    facts.push_back({{"name", std::string(fact.name)},
                     {"targets", Affected(fact)},
                     {"onnxruntime", Versions(fact)},
                     {"operator", std::string(fact.op)},
                     {"outcome", NameOf(fact.outcome)},
                     {"found", std::string(fact.found)},
                     {"expected", std::string(fact.expected)},
                     {"remedy", std::string(fact.remedy)},
                     {"says", std::string(fact.says)},
                     {"source", std::string(fact.source)}});
  }
  return {{"targets", std::move(targets)}, {"facts", std::move(facts)}};
}

absl::Status TargetsCommand::Run(const Surroundings& /*surroundings*/) const {
  if (json_) {
    PrintText(AllAsJson().dump(2) + "\n");
    return absl::OkStatus();
  }
  Table targets({{"target"}, {"newest"}, {"what it is"}});
  for (const TargetRow& row : Targets()) {
    targets.AddRow({std::string(row.name), row.newest.ToString(), std::string(row.about)});
  }
  PrintText(targets.ToString() + "\n");
  Table facts({{"of target"}, {"ONNX Runtime"}, {"operator"}, {"what"}, {"outcome"}});
  for (const Fact& fact : Facts()) {
    facts.AddRow({Affected(fact), Versions(fact), std::string(fact.op), std::string(fact.found),
                  NameOf(fact.outcome)});
  }
  PrintText(facts.ToString());
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewTargets() {
  return std::make_unique<TargetsCommand>();
}

}  // namespace onnxquant::cli
