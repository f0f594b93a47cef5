// Every operator of ONNX in every version, with inputs and attributes of each wrong kind: each is
// converted or refused, and nothing crashes, hangs or says that it does not know what happened. So
// is each in a model whose opset does not know it yet.
//
// SWEEP_ALL=1 tries each mutation on all inputs and attributes instead of the first ones;
// SWEEP_ONLY=Slice-1 tries the operators of that name alone.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <string>
#include <tuple>
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
constexpr std::size_t kParts = 8;
constexpr std::size_t kLeastCases = 5;

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

// The model at the last opset that does not have the operator: no schema says then what its inputs
// and attributes are, and what is known of it by name must not be taken for granted.
onnx::ModelProto BeforeIt(const onnx::OpSchema& schema, onnx::ModelProto model) {
  for (onnx::OperatorSetIdProto& import : *model.mutable_opset_import()) {
    if (import.domain() == schema.domain()) import.set_version(schema.SinceVersion() - 1);
  }
  return model;
}

class SchemaSweep : public ::testing::TestWithParam<std::size_t> {};

TEST_P(SchemaSweep, EveryOperatorIsConvertedOrRefusedWhateverIsWrongWithIt) {
  const Breadth breadth = std::getenv("SWEEP_ALL") != nullptr ? Breadth::kAll : Breadth::kOne;
  const char* only = std::getenv("SWEEP_ONLY");
  const std::vector<onnx::OpSchema> schemas = SortedSchemas();
  for (std::size_t i = GetParam(); i < schemas.size(); i += kParts) {
    const std::string name = NameOf(schemas[i]);
    const bool began_here =
        schemas[i].SinceVersion() > 1 && (i == 0 || schemas[i - 1].Name() != schemas[i].Name() ||
                                          schemas[i - 1].domain() != schemas[i].domain());
    if (only != nullptr && !absl::StrContains(name, only)) continue;
    const SweepResult result = CatchCrashes(kSecondsPerCase, [&](CaseCounter& counter) {
      MakeCases(schemas[i], breadth, [&](const std::string& what, const onnx::ModelProto& model) {
        if (counter.Begin(absl::StrCat(name, ": ", what))) Try(model, counter);
        if (!began_here || !counter.Begin(absl::StrCat(name, " unknown: ", what))) return;
        Try(BeforeIt(schemas[i], model), counter);
      });
    });
    EXPECT_GT(result.cases, kLeastCases) << name;
    for (const std::string& failure : result.failures) ADD_FAILURE() << failure;
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, SchemaSweep, ::testing::Range(std::size_t{0}, kParts));

}  // namespace
}  // namespace onnxquant
