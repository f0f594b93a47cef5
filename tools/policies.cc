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

absl::Status ShowPolicies(const Arguments& arguments) {
  if (arguments.schema) {
    PrintText(PolicySchema());
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) {
    if (arguments.policy_name == builtin.name) {
      PrintText(builtin.yaml);
      return absl::OkStatus();
    }
    names.emplace_back(builtin.name);
  }
  if (!arguments.policy_name.empty()) {
    return PolicyError("there is no built-in policy '", arguments.policy_name, "'; there are ",
                       absl::StrJoin(names, ", "), DidYouMean(arguments.policy_name, names));
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

}  // namespace onnxquant::cli
