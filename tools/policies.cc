#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/policy/policy_schema.h"
#include "lib/policy/policy_yaml.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

class PoliciesCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  std::string name_;
  bool schema_ = false;
};

void PoliciesCommand::AddOptions(CLI::App& app) {
  CLI::Option* name = app.add_option("NAME", name_, "print this policy's YAML")->type_name("NAME");
  app.add_flag("--schema", schema_, "print a JSON Schema of policy files, for editors")
      ->excludes(name);
}

absl::Status PoliciesCommand::Run(const Surroundings& /*surroundings*/) const {
  if (schema_) {
    PrintText(PolicySchema());
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) {
    if (name_ == builtin.name) {
      PrintText(builtin.yaml);
      return absl::OkStatus();
    }
    names.emplace_back(builtin.name);
  }
  if (!name_.empty()) {
    return PolicyError("there is no built-in policy '", name_, "'; there are ",
                       absl::StrJoin(names, ", "), DidYouMean(name_, names));
  }
  Table table({{"policy"}, {"outputs"}, {"what it does"}});
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const Policy policy, LoadPolicy(builtin.name));
    std::vector<std::string> dtypes;
    for (const OutputSpec& output : policy.outputs) dtypes.push_back(output.dtype);
    table.AddRow({policy.name, absl::StrJoin(dtypes, ", "), policy.description});
  }
  PrintText(table.ToString());
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewPolicies() {
  return std::make_unique<PoliciesCommand>();
}

}  // namespace onnxquant::cli
