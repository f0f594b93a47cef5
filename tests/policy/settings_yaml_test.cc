#include "lib/policy/settings_yaml.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/policy/policy_yaml.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

Settings SettingsOf(const std::string& fields) {
  const auto rule = ParseRule("match: {role: norm}, " + fields, "--set");
  EXPECT_TRUE(rule.ok()) << rule.status();
  return rule.ok() ? rule->set : Settings();
}

std::string ErrorOf(const std::string& fields) {
  const auto rule = ParseRule("match: {role: norm}, " + fields, "--set");
  return rule.ok() ? "accepted" : std::string(rule.status().message());
}

TEST(SettingsYaml, ReadsWhatBecomesOfTheResidualStream) {
  for (const char* text : {"float32", "{rescale: auto}", "{rescale: 5}", "{clip: 60000}"}) {
    EXPECT_EQ(ToString(*SettingsOf(std::string("residual: ") + text).residual), text);
  }
}

TEST(SettingsYaml, RefusesResidualsThatSayNothingClear) {
  const auto error = [](const std::string& text) { return ErrorOf("residual: " + text); };
  EXPECT_THAT(error("float16"), HasSubstr("found residual 'float16'; allowed are float32"));
  EXPECT_THAT(error("{rescaled: 5}"), HasSubstr("did you mean 'rescale'?"));
  EXPECT_THAT(error("{}"), HasSubstr("says either 'rescale' or 'clip'"));
  EXPECT_THAT(error("{rescale: 5, clip: 3}"), HasSubstr("says either 'rescale' or 'clip'"));
  for (const char* k : {"0", "15", "-3", "2.5", "yes", "[5]"}) {
    EXPECT_THAT(error(std::string("{rescale: ") + k + "}"),
                HasSubstr("'auto' or k from 1 to 14 is expected"))
        << k;
  }
  for (const char* limit : {"0", "-3", "nan", "inf", "much"}) {
    EXPECT_THAT(error(std::string("{clip: ") + limit + "}"),
                HasSubstr("a number above 0 is expected"))
        << limit;
  }
}

TEST(SettingsYaml, ReadsEveryMethod) {
  for (const methods::MethodRow& row : methods::Methods()) {
    EXPECT_EQ(SettingsOf("method: " + std::string(row.word)).method, row.method);
  }
  EXPECT_THAT(ErrorOf("method: gpqt"),
              HasSubstr("found method 'gpqt'; allowed are nearest, search, gptq, lattice; did "
                        "you mean"));
}

TEST(SettingsYaml, ReadsWhetherCodesAreTied) {
  EXPECT_EQ(SettingsOf("tie: true").tie, true);
  EXPECT_EQ(SettingsOf("tie: false").tie, false);
  EXPECT_FALSE(SettingsOf("compute: float32").tie.has_value());
  EXPECT_THAT(ErrorOf("tie: once"), HasSubstr("tie"));
}

TEST(SettingsYaml, ReadsWhatBecomesOfRotaryTables) {
  for (const char* text : {"keep", "computed", "{positions: 4096}", "{computed: 4096}"}) {
    EXPECT_EQ(ToString(*SettingsOf(std::string("rope_cache: ") + text).rope_cache), text);
  }
  EXPECT_FALSE(SettingsOf("compute: float32").rope_cache.has_value());
}

TEST(SettingsYaml, RefusesRotaryTablesThatSayNothingClear) {
  const auto error = [](const std::string& text) { return ErrorOf("rope_cache: " + text); };
  EXPECT_THAT(error("compute"), HasSubstr("--set:1:34: found rope_cache 'compute'; allowed are "
                                          "keep, computed; did you mean 'computed'?"));
  EXPECT_THAT(error("{position: 5}"), HasSubstr("did you mean 'positions'?"));
  for (const char* text : {"{}", "{positions: 5, computed: 5}"}) {
    EXPECT_THAT(error(text), HasSubstr("says either 'positions' or 'computed'")) << text;
  }
  for (const char* n : {"0", "-3", "2.5", "true", "[5]", "99999999999999999999"}) {
    EXPECT_THAT(error(std::string("{positions: ") + n + "}"),
                HasSubstr("a number of positions above 0 is expected"))
        << n;
    EXPECT_THAT(error(std::string("{computed: ") + n + "}"),
                HasSubstr("a number of positions above 0 is expected"))
        << n;
  }
}

TEST(SettingsYaml, ReadsAFormatAsAWordOrAMapping) {
  EXPECT_EQ(SettingsOf("weights: float16").weights->type, ElementType::kFloat16);
  EXPECT_EQ(SettingsOf("weights: {format: bfloat16}").weights->type, ElementType::kBFloat16);
  const WeightFormat word = *SettingsOf("weights: int4").weights;
  EXPECT_EQ(word.word, "int4");
  EXPECT_EQ(word.block, 32);
  EXPECT_TRUE(word.symmetric);
  EXPECT_EQ(word.source, ElementType::kFloat);
  EXPECT_EQ(SettingsOf("weights: {format: int4, block: 128}").weights->block, 128);
}

TEST(SettingsYaml, RefusesFormatsThatThereAreNot) {
  EXPECT_THAT(ErrorOf("weights: {format: int4, block: 33}"),
              HasSubstr("found block '33'; allowed are 16, 32, 64, 128, 256"));
  EXPECT_THAT(ErrorOf("weights: {format: float16, block: 32}"),
              HasSubstr("float16 takes no further fields"));
  EXPECT_THAT(ErrorOf("weights: {block: 32}"), HasSubstr("'weights' does not say 'format'"));
  EXPECT_THAT(ErrorOf("weights: int3"), HasSubstr("found weights 'int3'; allowed are float32"));
}

TEST(SettingsYaml, ReadsWhatBecomesOfConstantsOutOfRange) {
  EXPECT_EQ(SettingsOf("constants: {overflow: error}").overflow, Overflow::kError);
  EXPECT_EQ(SettingsOf("constants: {overflow: clamp}").overflow, Overflow::kClamp);
  EXPECT_EQ(SettingsOf("constants: {overflow: infinity}").overflow, Overflow::kInfinity);
  EXPECT_THAT(ErrorOf("constants: {}"), HasSubstr("'constants' sets nothing"));
}

TEST(SettingsYaml, AccuracyLevelsAreThoseOfOnnxRuntime) {
  EXPECT_EQ(SettingsOf("accuracy_level: 4").accuracy_level, 4);
  EXPECT_THAT(ErrorOf("accuracy_level: 5"), HasSubstr("accuracy_level '5'"));
}

}  // namespace
}  // namespace onnxquant
