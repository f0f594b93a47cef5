#include "lib/runtime/input_files.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/numpy_files.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Refusal(const std::string& path) {
  const auto sets = ReadInputs({path});
  EXPECT_EQ(KindOf(sets.status()), ErrorKind::kUsage);
  return std::string(sets.status().message());
}

TEST(InputFilesTest, ReadAnArchiveAsNamedArraysAndAnArrayWithoutName) {
  const TempFolder folder;
  folder.Write("a.npz", ZipFile({{"x.npy", NpyOfFloats("(1, 2)", {1, 2}), true},
                                 {"ids.npy", NpyOfIntegers("(1,)", {7})}}));
  folder.Write("b", NpyOfFloats("(3,)", {1, 2, 3}));
  const auto sets = ReadInputs({folder / "a.npz", folder / "b"});
  ASSERT_TRUE(sets.ok()) << sets.status();
  ASSERT_EQ(sets->size(), 2U);
  EXPECT_EQ((*sets)[0].origin, folder / "a.npz");
  EXPECT_EQ((*sets)[0].arrays[0].name, "x");
  EXPECT_EQ((*sets)[0].arrays[1].tensor.type(), ElementType::kInt64);
  EXPECT_EQ((*sets)[1].arrays[0].name, "");
  std::vector<float> scratch;
  EXPECT_THAT((*sets)[1].arrays[0].tensor.Floats(0, 3, scratch), ElementsAre(1, 2, 3));
}

TEST(InputFilesTest, TakeAFoldersFilesInTheOrderOfTheirNames) {
  const TempFolder folder;
  for (const char* name : {"2.npy", "10.NPY", "note.txt", ".hidden.npy"}) {
    folder.Write(name, NpyOfFloats("(1,)", {1}));
  }
  const auto files = InputFilesOf({folder.path()});
  ASSERT_TRUE(files.ok());
  EXPECT_THAT(*files, ElementsAre(folder / "10.NPY", folder / "2.npy"));
  const TempFolder empty;
  EXPECT_THAT(Refusal(empty.path()), HasSubstr("is a folder without .npz or .npy files"));
}

TEST(InputFilesTest, RefuseOtherFiles) {
  const TempFolder folder;
  folder.Write("x.png", "\x89PNG\r\n");
  EXPECT_THAT(Refusal(folder / "x.png"), HasSubstr("images and sounds: through Python's inputs="));
  EXPECT_THAT(Refusal(folder / "none.npz"), HasSubstr("none.npz"));
  folder.Write("cut.npz", ZipFile({{"x.npy", NpyOfFloats("(1,)", {1})}}).substr(0, 60));
  EXPECT_THAT(Refusal(folder / "cut.npz"), HasSubstr("cut off"));
}

}  // namespace
}  // namespace onnxquant
