// Reads any text as a policy, and what follows a zero byte as the rule of a --set.
#include <algorithm>
#include <string>

#include "fuzz/require.h"
#include "lib/policy/policy_yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  const std::uint8_t* const middle = std::find(data, data + size, 0);
  const std::string text(data, middle);
  auto policy = onnxquant::ParsePolicy(text, "fuzz.yaml");
  RequireToldWell(policy.status());
  RequireToldWell(onnxquant::ParseRule(text, "--set").status());
  if (!policy.ok()) return 0;
  if (middle != data + size) {
    RequireToldWell(onnxquant::AppendRule(std::string(middle + 1, data + size), "--set", *policy));
  }
  // Rules must bear any subject.
  onnxquant::Subject subject;
  subject.role = "norm";
  subject.op = "MatMul";
  subject.name = "/model/layers.0/mlp/down_proj/MatMul";
  subject.weight = "model.layers.0.mlp.down_proj.weight";
  subject.layer = 0;
  subject.layers = 2;
  for (const auto& rule : policy->rules) (void)Matches(rule.match, subject);
  return 0;
}
