#include "lib/parts/manifest.h"

#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "onnxquant/onnx_model.h"
#include "tests/parts/parted_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

class ManifestTest : public ::testing::Test {
 protected:
  ManifestTest() : plan_(PartedPlan(folder_)) {
    folder_.Write("plan.json", *ManifestText(state(), folder_ / "plan.json"));
  }
  const PlanAccess::State& state() const { return PlanAccess::StateOf(plan_); }
  Manifest Read() const {
    auto manifest = ReadManifest(folder_ / "plan.json");
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    return *std::move(manifest);
  }

  TempFolder folder_;
  Plan plan_;
};

TEST_F(ManifestTest, DescribesThePlanThatItWasMadeOf) {
  const Manifest manifest = Read();
  EXPECT_EQ(manifest.model, folder_ / "model.onnx");
  EXPECT_EQ(manifest.staging, "plan.parts");
  EXPECT_EQ(manifest.options.policy_yaml, kPartedPolicy);
  EXPECT_EQ(manifest.options.max_shard, 150'000U);
  EXPECT_TRUE(CheckSamePlan(manifest, state()).ok());
}

TEST_F(ManifestTest, NamesEveryTensorWithItsPlaceAndWhatItIsMadeOf) {
  const auto page = nlohmann::json::parse(folder_.Read("plan.json"));
  const auto& data = page["outputs"][1]["data"];
  ASSERT_EQ(data.size(), 1U);
  const auto& codes = data[0]["tensors"][0];
  EXPECT_EQ(codes["name"], "w1_Q4");
  EXPECT_EQ(codes["offset"], 0);
  EXPECT_EQ(codes["bytes"], 256 * 256 / 2);
  EXPECT_EQ(codes["from"], "w1");
  EXPECT_EQ(codes["as"], "int4 block 32 symmetric");
}

TEST_F(ManifestTest, HasTheSameIdWhereverItsFilesLie) {
  const std::string before = Read().id;
  auto page = nlohmann::ordered_json::parse(folder_.Read("plan.json"));
  page["paths"]["model"] = "/elsewhere/model.onnx";
  folder_.Write("plan.json", page.dump());
  EXPECT_EQ(Read().id, before);
  page["policy"]["max_shard"] = 1;
  folder_.Write("plan.json", page.dump());
  EXPECT_NE(Read().id, before);
}

TEST_F(ManifestTest, WithAnotherLayoutIsRefusedWithThePlace) {
  Manifest manifest = Read();
  manifest.content["outputs"][0]["data"][1]["bytes"] = 7;
  const absl::Status status = CheckSamePlan(manifest, state());
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_THAT(status.message(), HasSubstr("outputs[0].data[1].bytes is 7, and what its policy"));
}

TEST_F(ManifestTest, OfOtherWeightsIsAnErrorOfTheModel) {
  Manifest manifest = Read();
  manifest.content["input"]["weights"] = "other";
  EXPECT_EQ(KindOf(CheckSamePlan(manifest, state())), ErrorKind::kModel);
}

TEST_F(ManifestTest, OfAModelInMemoryIsRefused) {
  onnx::ModelProto proto = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
    g (float[n] x) => (float[n] y) { y = Relu(x) })");
  const BorrowedModel borrowed(proto, folder_ / "memory.onnx");
  const auto plan = MakePlan(borrowed.model(), PartedOptions());
  ASSERT_TRUE(plan.ok()) << plan.status();
  const absl::Status status = SaveManifest(*plan, folder_ / "m.json", {});
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_THAT(status.message(), HasSubstr("in this one's memory"));
}

}  // namespace
}  // namespace onnxquant
