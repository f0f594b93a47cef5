// The same model and policy give the same bytes, whatever the machine and the process are like.
#include <hwy/targets.h>

#include <cstdint>
#include <locale>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnxquant/onnx_model.h"
#include "onnxquant/policy.h"
#include "onnxquant/quantize.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Odd sizes, so that vectors of every width have a remainder.
constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
  g (float[n, 97] x) => (float[n, 53] y)
  <float[97, 131] w1, float[131, 53] w2, float[53] bias, float16[53] gain, float eps> {
    a = MatMul(x, w1)
    b = Relu(a)
    c = MatMul(b, w2)
    d = Add(c, bias)
    scale = Cast<to = 1>(gain)
    e = Mul(d, scale)
    y = Add(e, eps)
  })";

constexpr char kPolicy[] = R"({policy: 1, name: p, outputs: {
  fp16: {compute: float16, weights: float16, io: float32},
  bf16: {compute: bfloat16, weights: bfloat16, io: float32},
  q4: {compute: float32, weights: {format: int4, block: 16, symmetric: false}, io: float32},
  q4f16: {compute: float16, weights: {format: int4, block: 64}, io: float16}}})";

using Files = std::map<std::string, std::string>;

Files Convert(const ApplyOptions& options, std::uint64_t max_shard = 1'900'000'000) {
  const TempFolder folder;
  onnx::ModelProto proto = ParseModel(kModel);
  // As initializers are stored; also, elements in typed fields are no tiles.
  for (auto& tensor : *proto.mutable_graph()->mutable_initializer()) {
    if (tensor.float_data().empty()) continue;
    tensor.set_raw_data(tensor.float_data().data(),
                        4 * static_cast<std::size_t>(tensor.float_data_size()));
    tensor.clear_float_data();
  }
  const BorrowedModel borrowed(proto, folder / "model.onnx");
  const auto plan = MakePlan(borrowed.model(), {.policy_yaml = kPolicy, .max_shard = max_shard});
  EXPECT_TRUE(plan.ok()) << plan.status();
  const auto report = ApplyPlan(*plan, options);
  EXPECT_TRUE(report.ok()) << report.status();
  Files files;
  for (const std::string& name : folder.Names()) files[name] = folder.Read(name);
  return files;
}

const Files& Expected() {
  static const Files& files = *new Files(Convert({.threads = 1}));
  return files;
}

TEST(Determinism, IsTheSameForAnyNumberOfThreads) {
  ASSERT_THAT(Expected(), SizeIs(testing::Ge(4)));
  for (const int threads : {0, 2, 3, 8}) EXPECT_EQ(Convert({.threads = threads}), Expected());
}

TEST(Determinism, IsTheSameInAnyMemory) {
  for (const std::uint64_t memory : {1ULL, 4096ULL, 65'536ULL, 1ULL << 30U}) {
    EXPECT_EQ(Convert({.threads = 2, .memory = memory}), Expected()) << memory;
  }
}

TEST(Determinism, IsTheSameForEverySetOfVectorInstructions) {
  const auto targets = hwy::SupportedAndGeneratedTargets();
  ASSERT_THAT(targets, Not(SizeIs(0)));
  std::set<std::size_t> chosen;
  for (const std::int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    EXPECT_EQ(Convert({.threads = 2}), Expected()) << hwy::TargetName(target);
    chosen.insert(hwy::GetChosenTarget().GetIndex());
  }
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_THAT(chosen, SizeIs(targets.size()));
}

TEST(Determinism, NamesNoPlaceInWhatItWrites) {
  for (const auto& [name, bytes] : Convert({})) {
    EXPECT_THAT(bytes, Not(HasSubstr(testing::TempDir()))) << name;
    EXPECT_THAT(bytes, Not(HasSubstr("/tmp"))) << name;
  }
}

// A decimal comma, and a dot between thousands: what many countries write.
class Commas : public std::numpunct<char> {
 protected:
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

class InAnotherLocale : public ::testing::Test {
 protected:
  InAnotherLocale()
      : before_(std::locale::global(std::locale(std::locale::classic(), new Commas))) {}
  ~InAnotherLocale() override { std::locale::global(before_); }

 private:
  std::locale before_;
};

PolicySpec WithNumbers() {
  PolicySpec spec{.name = "numbers"};
  spec.outputs = {{"q4", {.compute = "float32", .io = "float32", .weights = {"int4", 256}}}};
  spec.rules = {{.match = {.peak_over = 16000.5}, .set = {.compute = "float32"}},
                {.match = {.role = {"residual"}}, .set = {.clip = 12345.25}},
                {.match = {.role = {"rope"}}, .set = {.rope_positions = 4096}}};
  return spec;
}

TEST_F(InAnotherLocale, WritesTheSameBytes) {
  const Files here = Convert({.threads = 2}, 40'000);
  std::locale::global(std::locale::classic());
  EXPECT_EQ(here, Convert({.threads = 2}, 40'000));
}

TEST_F(InAnotherLocale, WritesThePolicyThatItReads) {
  const std::string here = ToYaml(WithNumbers());
  std::locale::global(std::locale::classic());
  EXPECT_EQ(here, ToYaml(WithNumbers()));
  EXPECT_THAT(here, HasSubstr("12345.25"));
  EXPECT_THAT(here, HasSubstr("4096"));
}

TEST_F(InAnotherLocale, WritesTheSameReport) {
  const auto report_of = [] {
    onnx::ModelProto proto = ParseModel(kModel);
    const BorrowedModel borrowed(proto);
    const auto plan = MakePlan(
        borrowed.model(),
        {.policy_yaml = kPolicy,
         .rules = {"match: {role: residual}, residual: {clip: 12345.25}, optional: true"}});
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? ToJson(plan->report()) : "";
  };
  const std::string here = report_of();
  std::locale::global(std::locale::classic());
  EXPECT_EQ(here, report_of());
}

}  // namespace
}  // namespace onnxquant
