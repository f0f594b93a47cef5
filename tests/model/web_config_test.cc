#include "lib/model/web_config.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

const std::vector<WebConfigEntry> kEntries = {
    {"model", "model_fp16.onnx", 1, "fp16", true, "float16"},
    {"model", "model_q4.onnx", 2, "q4", true, "float32"},
};

Json Update(const std::string& text, const std::vector<std::string>& files = {}) {
  const auto updated = UpdateWebConfig(text, kEntries, files);
  EXPECT_TRUE(updated.ok()) << updated.status();
  return Json::parse(*updated)["transformers.js_config"];
}

TEST(WebConfig, WritesTheObjectForm) {
  const Json config = Update("{}");
  EXPECT_EQ(config["use_external_data_format"]["model_fp16.onnx"], 1);
  EXPECT_EQ(config["use_external_data_format"]["model_q4.onnx"], 2);
  EXPECT_EQ(config["kv_cache_dtype"], Json::parse(R"({"fp16": "float16"})"));
  EXPECT_FALSE(config.contains("dtype"));
}

TEST(WebConfig, KeepsOtherKeysTheirOrderAndDtype) {
  const std::string text =
      R"({"z": 1, "transformers.js_config": {"dtype": "q4", "use_external_data_format": {"model_q8.onnx": 3}}, "a": 2})";
  const auto updated = UpdateWebConfig(text, kEntries, {});
  ASSERT_TRUE(updated.ok());
  const Json json = Json::parse(*updated);
  EXPECT_EQ(json.begin().key(), "z");
  EXPECT_EQ(json["transformers.js_config"]["dtype"], "q4");
  EXPECT_EQ(json["transformers.js_config"]["use_external_data_format"]["model_q8.onnx"], 3);
  EXPECT_LT(updated->find("\"z\""), updated->find("\"a\""));
}

TEST(WebConfig, SpreadsTrueOverTheFilesItSpokeFor) {
  const Json config = Update(R"({"transformers.js_config": {"use_external_data_format": true}})",
                             {"model.onnx", "model.onnx_data", "model.onnx_data_1", "x.onnx"});
  EXPECT_EQ(config["use_external_data_format"]["model.onnx"], 2);
  EXPECT_FALSE(config["use_external_data_format"].contains("x.onnx"));
}

TEST(WebConfig, ForgetsTheCacheTypeOfAnOutputThatIsFloat32Now) {
  const Json config =
      Update(R"({"transformers.js_config": {"kv_cache_dtype": {"q4": "float16", "x": "y"}}})");
  EXPECT_EQ(config["kv_cache_dtype"], Json::parse(R"({"x": "y", "fp16": "float16"})"));
}

TEST(WebConfig, IsStableWhenRepeated) {
  const std::string once = UpdateWebConfig("{}\n", kEntries, {}).value();
  EXPECT_EQ(UpdateWebConfig(once, kEntries, {}).value(), once);
  EXPECT_EQ(once.back(), '\n');
}

TEST(WebConfig, RefusesWhatIsNoJsonObjectAndSaysWhere) {
  const auto broken = UpdateWebConfig("{\"a\": 1,\n \"b\" 2}", kEntries, {});
  EXPECT_EQ(KindOf(broken.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(broken.status().message()), HasSubstr("line 2, column"));
  EXPECT_FALSE(UpdateWebConfig("[1]", kEntries, {}).ok());
  EXPECT_FALSE(UpdateWebConfig(R"({"transformers.js_config": 3})", kEntries, {}).ok());
}

TEST(WebConfig, IsFoundBesideTheModelOrAboveAFolderNamedOnnx) {
  const TempFolder folder;
  folder.Write("onnx/model.onnx", "");
  EXPECT_FALSE(FindConfigJson(folder / "onnx/model.onnx"));
  folder.Write("config.json", "{}");
  EXPECT_EQ(FindConfigJson(folder / "onnx/model.onnx"), folder / "config.json");
  folder.Write("other/model.onnx", "");
  EXPECT_FALSE(FindConfigJson(folder / "other/model.onnx"));
  folder.Write("other/config.json", "{}");
  EXPECT_EQ(FindConfigJson(folder / "other/model.onnx"), folder / "other/config.json");
}

}  // namespace
}  // namespace onnxquant
