#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ConfigFaultsTest : public CheckTest {
 protected:
  // A decoder's step with a float16 cache, its weight in `location` ("": in the file itself).
  void WriteModel(const std::string& name, const std::string& location,
                  onnx::TensorProto::DataType half = onnx::TensorProto::FLOAT16) {
    onnx::ModelProto model = Text(R"((int64[n] input_ids, float[1, m] past)
=> (float[n, 4] logits, float[1, k] present) <float[50, 4] table, float[4, 4] w> {
  h = Gather(table, input_ids)
  present = Concat<axis = 1>(past, past)
  logits = MatMul(h, w)
})");
    if (half != onnx::TensorProto::FLOAT) model = InHalf(std::move(model), half);
    if (!location.empty()) {
      onnx::TensorProto& tensor = *model.mutable_graph()->mutable_initializer(1);
      tensor.clear_int32_data();
      tensor.set_data_location(onnx::TensorProto::EXTERNAL);
      auto* entry = tensor.add_external_data();
      entry->set_key("location");
      entry->set_value(location);
      folder_.Write(location, std::string(32, '\0'));
    }
    std::string bytes;
    ASSERT_TRUE(SerializeModel(model, &bytes).ok());
    folder_.Write(name, bytes);
  }

  // What is said of the model beside a config.json with these settings.
  std::vector<std::string> Said(const std::string& settings,
                                const std::string& name = "model_fp16.onnx") {
    folder_.Write("config.json", R"({"transformers.js_config": )" + settings + "}");
    std::vector<std::string> evidence;
    for (const Finding& finding : CheckFile(name).findings) {
      EXPECT_EQ(finding.kind, "config_contradicts");
      EXPECT_FALSE(finding.remedy.empty());
      evidence.push_back(finding.evidence);
    }
    return evidence;
  }
};

constexpr char kRight[] = R"({"kv_cache_dtype": {"fp16": "float16"},
  "use_external_data_format": {"model_fp16.onnx": 1}, "dtype": "fp16"})";

TEST_F(ConfigFaultsTest, AConfigThatSaysWhatTheFilesAreIsRight) {
  WriteModel("model_fp16.onnx", "model_fp16.onnx_data");
  EXPECT_THAT(Said(kRight), IsEmpty());
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "use_external_data_format": true})"),
              IsEmpty());
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "use_external_data_format": 1})"), IsEmpty());
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "use_external_data_format": {"model": true}})"),
              IsEmpty());
}

TEST_F(ConfigFaultsTest, WithoutSettingsForTransformersJsThereIsNothingToContradict) {
  WriteModel("model_fp16.onnx", "weights.bin");
  EXPECT_THAT(CheckFile("model_fp16.onnx").findings, IsEmpty());
  folder_.Write("config.json", R"({"model_type": "gemma3_text"})");
  EXPECT_THAT(CheckFile("model_fp16.onnx").findings, IsEmpty());
}

TEST_F(ConfigFaultsTest, ACacheOfAnotherTypeIsAFault) {
  WriteModel("model_fp16.onnx", "");
  EXPECT_THAT(Said(R"({"kv_cache_dtype": {"q4": "float16"}})"),
              ElementsAre(HasSubstr("says float32 for fp16, but the cache of model_fp16.onnx is "
                                    "float16")));
  EXPECT_THAT(Said("{}"), ElementsAre(HasSubstr("is not given, which means float32")));
  WriteModel("model.onnx", "", onnx::TensorProto::FLOAT);
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16"})", "model.onnx"),
              ElementsAre(HasSubstr("says float16 for fp32")));
}

TEST_F(ConfigFaultsTest, TooFewDataFilesAreAFault) {
  WriteModel("model_fp16.onnx", "model_fp16.onnx_data");
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16"})"),
              ElementsAre(HasSubstr("has 0 data files; it has 1")));
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16",
                       "use_external_data_format": {"model_q4.onnx": 1}})"),
              ElementsAre(HasSubstr("has 0 data files; it has 1")));
}

TEST_F(ConfigFaultsTest, ADataFileThatIsNotThereIsAFault) {
  WriteModel("model_fp16.onnx", "");
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "use_external_data_format": true})"),
              ElementsAre(HasSubstr("there is no 'model_fp16.onnx_data'")));
  // The full name goes before the base name.
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16",
                       "use_external_data_format": {"model": 1, "model_fp16.onnx": 0}})"),
              IsEmpty());
}

TEST_F(ConfigFaultsTest, ADataFileOfAnotherNameIsAFault) {
  WriteModel("model_fp16.onnx", "weights.bin");
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "use_external_data_format": 1})"),
              ElementsAre(HasSubstr("looks for 'model_fp16.onnx_data'")));
  EXPECT_TRUE(result_.findings[0].mended);
  EXPECT_THAT(result_.command, HasSubstr("onnxquant --policy repair --dtype fp16"));
}

TEST_F(ConfigFaultsTest, NoConversionMendsWhatTheConfigItselfSays) {
  WriteModel("model_fp16.onnx", "");
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float32"})"), ElementsAre(HasSubstr("says float32")));
  EXPECT_FALSE(result_.findings[0].mended);
  EXPECT_THAT(result_.command, IsEmpty());
}

TEST_F(ConfigFaultsTest, ADtypeWhoseFileIsNotThereIsAFault) {
  WriteModel("model_fp16.onnx", "");
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "dtype": "q4"})"),
              ElementsAre(HasSubstr("asks for q4, but there is no 'model_q4.onnx'")));
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "dtype": {"encoder": "fp32"}})"),
              ElementsAre(HasSubstr("there is no 'encoder.onnx'")));
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "dtype": "fp61"})"),
              ElementsAre(HasSubstr("which Transformers.js does not know")));
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "dtype": "auto"})"), IsEmpty());
}

TEST_F(ConfigFaultsTest, AConfigThatIsNoJsonIsAFault) {
  WriteModel("model_fp16.onnx", "");
  EXPECT_THAT(Said("{,"), ElementsAre(HasSubstr("is not valid JSON")));
}

TEST_F(ConfigFaultsTest, SettingsOfStrangeTypesDoNoHarm) {
  WriteModel("model_fp16.onnx", "");
  EXPECT_THAT(Said(R"({"kv_cache_dtype": {"fp16": "float16", "q4": 3}, "dtype": [1],
                       "use_external_data_format": {"model": {"a": 1}}})"),
              IsEmpty());
  EXPECT_THAT(Said(R"({"kv_cache_dtype": "float16", "use_external_data_format": "many"})"),
              IsEmpty());
}

}  // namespace
}  // namespace onnxquant
