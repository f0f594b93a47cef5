#include "lib/runtime/samples.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/numpy_files.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Dimension kBatch = {-1, "batch"};
const Dimension kLength = {-1, "length"};

Signature Sound(const Dimension& batch) {
  return {{{"samples", ElementType::kFloat, {batch, kLength}},
           {"attention_mask", ElementType::kInt64, {batch, kLength}}},
          {}};
}

TEST(SamplesTest, PadTwoRowsWhereTheBatchIsOpen) {
  std::vector<Sample> samples = SamplesOf({{1, 2}, {3}});
  AddPaddedSamples(Sound(kBatch), {}, samples);
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[2].padding, Padding::kRightFirst);
  EXPECT_EQ(samples[2].tokens, samples[0].tokens);
  EXPECT_EQ(WithoutPadded(samples).size(), 2U);
}

TEST(SamplesTest, PadOneRowAfterTheOtherWhereTheBatchIsFixed) {
  std::vector<Sample> samples(1);
  AddPaddedSamples(Sound({1, ""}), {}, samples);
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[1].padding, Padding::kRightFirst);
  EXPECT_EQ(samples[2].padding, Padding::kLeftFirst);
  std::vector<Sample> chosen(1);
  AddPaddedSamples(Sound(kBatch), {.dims = {{"batch", 1}}}, chosen);
  EXPECT_EQ(chosen.size(), 3U);
}

TEST(SamplesTest, PadNothingWithoutAMask) {
  std::vector<Sample> samples(1);
  AddPaddedSamples({{{"x", ElementType::kFloat, {kBatch, kLength}}}, {}}, {}, samples);
  AddPaddedSamples(Sound(kBatch), {.dims = {{"length", 1}}}, samples);
  EXPECT_EQ(samples.size(), 1U);
}

TEST(SamplesTest, ReadFilesAndSayWhatIsMadeUp) {
  const TempFolder folder;
  folder.Write("a.npz", ZipFile({{"samples.npy", NpyOfFloats("(1, 2)", {1, 2})}}));
  folder.Write("b.npz", ZipFile({{"samples.npy", NpyOfFloats("(1, 1)", {1})},
                                 {"attention_mask.npy", NpyOfIntegers("(1, 1)", {1})}}));
  InputOptions options;
  options.files = {folder / "b.npz"};
  const auto whole = ReadSamples("m.onnx", Sound(kBatch), options, "");
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_THAT(whole->note, IsEmpty());
  options.files = {folder.path()};
  const auto both = ReadSamples("m.onnx", Sound(kBatch), options, "");
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->samples.size(), 2U);
  EXPECT_THAT(both->note, HasSubstr("a.npz: gives no attention_mask: made up"));
}

TEST(SamplesTest, AreTokensOrArraysNotBoth) {
  InputOptions options;
  options.files = {"a.npz"};
  const auto both = ReadSamples("m.onnx", Sound(kBatch), options, "t.npy");
  EXPECT_EQ(KindOf(both.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(both.status().message()), HasSubstr("not on both"));
}

}  // namespace
}  // namespace onnxquant
