#include "lib/targets/target.h"

#include <set>

#include "gmock/gmock.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

TEST(ParseTarget, TakesTheNewestVersionWhereNoneIsSaid) {
  const auto target = ParseTarget("cpu");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->version, target->row->newest);
  EXPECT_EQ(target->runtime, target->version);
}

TEST(ParseTarget, KnowsWhichRuntimeAReleaseOfTransformersJsHas) {
  EXPECT_EQ(ParseTarget("transformers.js@4.3")->runtime, (Version{1, 31}));
  EXPECT_EQ(ParseTarget("transformers.js-wasm@4.2.0")->runtime, (Version{1, 26}));
  EXPECT_EQ(ParseTarget("transformers.js-webgpu@4.1")->runtime, (Version{1, 25}));
}

TEST(ParseTarget, SpellsATargetWithItsVersion) {
  EXPECT_EQ(ParseTarget("webgpu@1.27.3")->ToString(), "webgpu@1.27");
}

TEST(ParseTarget, NamesTheOnesThatThereAre) {
  const auto target = ParseTarget("wepgpu@1.27");
  ASSERT_FALSE(target.ok());
  EXPECT_THAT(target.status().message(), HasSubstr("found target 'wepgpu'"));
  EXPECT_THAT(target.status().message(), HasSubstr("cpu, webgpu, wasm, transformers.js"));
  EXPECT_THAT(target.status().message(), HasSubstr("did you mean 'webgpu'?"));
}

TEST(ParseTarget, RefusesWhatIsNoVersion) {
  for (const char* text : {"cpu@", "cpu@1", "cpu@new", "cpu@1.2.3.4", "cpu@1.-2"}) {
    const auto target = ParseTarget(text);
    ASSERT_FALSE(target.ok()) << text;
    EXPECT_THAT(target.status().message(), HasSubstr("expected two numbers such as")) << text;
  }
}

TEST(ParseTarget, RefusesVersionsOfWhichNothingIsKnown) {
  EXPECT_THAT(ParseTarget("cuda@1.20").status().message(), HasSubstr("expected 1.28 or later"));
  EXPECT_THAT(ParseTarget("transformers.js@3.5").status().message(),
              HasSubstr("nothing is known of version 3.5; expected 4.0 or later"));
}

TEST(Targets, HaveDifferentNamesAndSomewhereToRun) {
  std::set<absl::string_view> names;
  for (const TargetRow& row : Targets()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.places.empty()) << row.name;
    EXPECT_LE(row.oldest, row.newest) << row.name;
  }
}

}  // namespace
}  // namespace onnxquant
