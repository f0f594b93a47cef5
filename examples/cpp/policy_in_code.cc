// A policy built in code, and what it would do: policy_in_code MODEL.onnx
#include <iostream>

#include "onnxquant/policy.h"
#include "onnxquant/quantize.h"

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  onnxquant::PolicySpec policy{.name = "mine"};
  policy.outputs.push_back(
      {"q4f16", {.compute = "float16", .io = "float16", .weights = {.format = "int4"}}});
  policy.rules.push_back(
      {.match = {.role = {"norm", "residual"}}, .set = {.compute = "float32"}, .optional = true});
  policy.rules.push_back({.match = {.role = {"v_proj"}, .layer = {"0", "-1"}},
                          .set = {.weights = {.format = "float16"}},
                          .optional = true});
  const auto plan = onnxquant::MakePlan(argv[1], {.policy_yaml = onnxquant::ToYaml(policy)});
  if (!plan.ok()) return std::cerr << plan.status().message() << "\n", 2;
  for (const auto& tensor : plan->report().outputs.front().tensors) {
    std::cout << tensor.name << ": " << tensor.format << ", " << tensor.why.back() << "\n";
  }
}
