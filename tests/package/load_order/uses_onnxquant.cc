#include <iostream>

#include "onnxquant/quantize.h"

extern "C" int Use(const char* path) {
  const auto plan = onnxquant::MakePlan(path, {.policy = "fp16"});
  if (!plan.ok()) std::cerr << plan.status().message() << "\n";
  return plan.ok() && plan->report().outputs.front().nodes.size() == 1 ? 0 : 3;
}
