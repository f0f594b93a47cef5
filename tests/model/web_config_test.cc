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
  const auto updated = UpdateWebConfig(text, "c.json", kEntries, files);
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
  const auto updated = UpdateWebConfig(text, "c.json", kEntries, {});
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
  const std::string once = UpdateWebConfig("{}\n", "c.json", kEntries, {}).value();
  EXPECT_EQ(UpdateWebConfig(once, "c.json", kEntries, {}).value(), once);
  EXPECT_EQ(once.back(), '\n');
}

TEST(WebConfig, RefusesWhatIsNoJsonObjectAndSaysWhere) {
  const auto broken = UpdateWebConfig("{\"a\": 1,\n \"b\" 2}", "c.json", kEntries, {});
  EXPECT_EQ(KindOf(broken.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(broken.status().message()), HasSubstr("c.json:2:6: is not valid JSON"));
  EXPECT_FALSE(UpdateWebConfig("[1]", "c.json", kEntries, {}).ok());
  EXPECT_FALSE(UpdateWebConfig(R"({"transformers.js_config": 3})", "c.json", kEntries, {}).ok());
}

TEST(WebConfig, KeepsEveryByteThatIsNotItsOwn) {
  const std::string section =
      ",\r\n\t\"transformers.js_config\" : {\r\n\t\t\"use_external_data_format\" : "
      "{\r\n\t\t\t\"model_fp16.onnx\" : 1,\r\n\t\t\t\"model_q4.onnx\" : 2\r\n\t\t},\r\n\t\t"
      "\"kv_cache_dtype\" : {\r\n\t\t\t\"fp16\" : \"float16\"\r\n\t\t}\r\n\t}";
  const std::string before =
      "\xef\xbb\xbf{\r\n\t\"a\" : 1e5,\r\n\r\n\t\"a\":123456789012345678901234567890, "
      "\"e\":\"\\u00e9\","
      "\r\n\t\"z\" : [1.10,-0, 1E-6]";
  const std::string after = "\r\n}\r\n";
  const auto updated = UpdateWebConfig(before + after, "c.json", kEntries, {});
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(*updated, before + section + after);
}

TEST(WebConfig, LeavesATextThatSaysAllOfItAlready) {
  const std::string text =
      "{\"transformers.js_config\":{ \"use_external_data_format\":{\"model_fp16.onnx\":1.0,"
      "\"model_q4.onnx\": 2 ,\"x.onnx\":7},\"kv_cache_dtype\":{\"fp16\": \"float16\"}}}";
  EXPECT_EQ(UpdateWebConfig(text, "c.json", kEntries, {}).value(), text);
}

TEST(WebConfig, LeavesACacheTypeForAllDtypesWhileItIsRight) {
  const std::vector<WebConfigEntry> half = {kEntries[0]};
  const std::string text = R"({"transformers.js_config": {"kv_cache_dtype": "float16"}})";
  const auto updated = UpdateWebConfig(text, "c.json", half, {});
  EXPECT_EQ(Json::parse(*updated)["transformers.js_config"]["kv_cache_dtype"], "float16");
  EXPECT_EQ(Update(text)["kv_cache_dtype"], Json::parse(R"({"fp16": "float16"})"));
  const std::vector<std::string> files = {"model.onnx",      "model_quantized.onnx",
                                          "other_q4.onnx",   "model_q4.onnx",
                                          "model_fp16.onnx", "model_fp16.onnx_data"};
  EXPECT_EQ(Update(text, files)["kv_cache_dtype"],
            Json::parse(R"({"fp32": "float16", "q8": "float16", "fp16": "float16"})"));
}

TEST(WebConfig, RefusesAMemberOfItsOwnThatStandsTwice) {
  for (const char* text :
       {R"({"transformers.js_config": {}, "transformers.js_config": {}})",
        R"({"transformers.js_config": {"kv_cache_dtype": {}, "kv_cache_dtype": {}}})",
        R"({"transformers.js_config": {"kv_cache_dtype": {"q4": "a", "q4": "b"}}})"}) {
    EXPECT_THAT(std::string(UpdateWebConfig(text, "c.json", kEntries, {}).status().message()),
                HasSubstr("stands twice here"))
        << text;
  }
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
