// Every operator of ONNX in every version, with inputs and attributes of each wrong kind: each is
// converted or refused, and nothing crashes, hangs or says that it does not know what happened.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "onnx/defs/schema.h"
#include "onnxquant/quantize.h"
#include "tests/sweep/case_maker.h"
#include "tests/sweep/crash_catcher.h"

namespace onnxquant {
namespace {

constexpr int kSecondsPerCase = 5;

// Float16 as the models come, and bfloat16, which raises opsets to 13.
constexpr const char* kPolicies[] = {"fp16", "bf16"};

void Try(const onnx::ModelProto& model, CaseCounter& counter) {
  const std::string bytes = model.SerializeAsString();
  ModelInMemory memory;
  memory.path = "/nowhere/model.onnx";
  memory.model =
      absl::Span<const std::byte>(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  for (const char* policy : kPolicies) {
    PlanOptions options;
    options.policy = policy;
    absl::StatusOr<Plan> plan = absl::UnknownError("");
    try {
      plan = MakePlan(memory, options);
    } catch (const std::exception& error) {
      counter.Fail(absl::StrCat(policy, ": throws ", error.what()));
      continue;
    }
    if (!plan.ok() && KindOf(plan.status()) == ErrorKind::kInternal) {
      counter.Fail(absl::StrCat(policy, ": ", plan.status().ToString()));
    }
    if (std::getenv("SWEEP_PRINT") != nullptr) {
      std::cout << (plan.ok() ? "ok" : std::string(plan.status().message())) << "\n";
    }
  }
}

std::string NameOf(const onnx::OpSchema& schema) {
  return absl::StrCat(schema.domain(), schema.domain().empty() ? "" : "::", schema.Name(), "-",
                      schema.SinceVersion());
}

std::vector<onnx::OpSchema> SortedSchemas() {
  std::vector<onnx::OpSchema> all = onnx::OpSchemaRegistry::get_all_schemas_with_history();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.domain(), a.Name(), a.SinceVersion()) <
           std::tuple(b.domain(), b.Name(), b.SinceVersion());
  });
  return all;
}

TEST(SchemaSweep, EveryOperatorIsConvertedOrRefusedWhateverIsWrongWithIt) {
  const Breadth breadth = std::getenv("SWEEP_ALL") != nullptr ? Breadth::kAll : Breadth::kOne;
  const char* only = std::getenv("SWEEP_ONLY");
  std::size_t cases = 0;
  for (const onnx::OpSchema& schema : SortedSchemas()) {
    const std::string name = NameOf(schema);
    if (only != nullptr && !absl::StrContains(name, only)) continue;
    const SweepResult result = CatchCrashes(kSecondsPerCase, [&](CaseCounter& counter) {
      MakeCases(schema, breadth, [&](const std::string& what, const onnx::ModelProto& model) {
        if (counter.Begin(absl::StrCat(name, ": ", what))) Try(model, counter);
      });
    });
    cases += result.cases;
    for (const std::string& failure : result.failures) {
      ADD_FAILURE() << failure;
      std::cout << "BAD " << failure << std::endl;
    }
  }
  std::cout << cases << " cases\n";
}

}  // namespace
}  // namespace onnxquant
