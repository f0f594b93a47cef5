#include "lib/checkpoint/checkpoint.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/checkpoint/files.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& path) {
  return std::string(Checkpoint::Open(path).status().message());
}

TEST(Checkpoint, HasTheTensorsOfAllShardsByName) {
  const TempFolder folder;
  Write(folder / "b.safetensors", Safetensors({{"a", {2}, {1, 2}}}));
  Write(folder / "a.safetensors", Safetensors({{"b", {1, 1}, {3}}}));
  const auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  ASSERT_EQ(checkpoint->tensors().size(), 2U);
  EXPECT_EQ(checkpoint->tensors()[0].name, "a");
  EXPECT_EQ(checkpoint->tensors()[1].elements(), 1);
  EXPECT_TRUE(checkpoint->CheckUnchanged().ok());
}

TEST(Checkpoint, ReadsGgufByItsFirstBytes) {
  const TempFolder folder;
  const auto checkpoint =
      Checkpoint::Open(Write(folder / "model", Gguf("w", {32}, 8, std::string(34, '\1'))));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->tensors()[0].type, "Q8_0");
  const auto other = Checkpoint::Open(Write(folder / "other", Gguf("w", {256}, 10, "")));
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->tensors()[0].stored, nullptr);
}

TEST(Checkpoint, RefusesWhatCannotBeRead) {
  const TempFolder folder;
  EXPECT_THAT(ErrorOf(folder / "nothing"), HasSubstr("nothing"));
  EXPECT_THAT(ErrorOf(folder.path()), HasSubstr("holds no .safetensors"));
  EXPECT_THAT(ErrorOf(Write(folder / "short", Gguf("w", {32}, 8, std::string(33, '\1')))),
              HasSubstr("of which 33 are left"));
  EXPECT_THAT(ErrorOf(Write(folder / "odd", Gguf("w", {33}, 8, std::string(68, '\1')))),
              HasSubstr("rows of 33 elements"));
  Write(folder / "x.safetensors", Safetensors({{"a", {1}, {1}}}));
  Write(folder / "y.safetensors", Safetensors({{"a", {1}, {1}}}));
  EXPECT_THAT(ErrorOf(folder.path()), HasSubstr("two of its files hold a tensor 'a'"));
  Write(folder / "model.safetensors.index.json", R"({"weight_map": {"a": "/etc/x"}})");
  EXPECT_THAT(ErrorOf(folder.path()), HasSubstr("beside the index"));
}

}  // namespace
}  // namespace onnxquant
