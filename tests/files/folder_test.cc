#include "lib/files/folder.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FolderTest, IsTheSameUnderAnyName) {
  const TempFolder temp;
  temp.Write("inner/x", "");
  EXPECT_EQ(Opened(temp / "inner/..")->key(), Opened(temp.path())->key());
  EXPECT_NE(Opened(temp / "inner")->key(), Opened(temp.path())->key());
}

TEST(FolderTest, StaysItselfWhenItIsMoved) {
  const TempFolder temp;
  temp.Write("inner/x", "abc");
  const FolderPtr folder = Opened(temp / "inner");
  EXPECT_TRUE(folder->InPlace());
  ASSERT_EQ(std::rename((temp / "inner").c_str(), (temp / "moved").c_str()), 0);
  EXPECT_FALSE(folder->InPlace());
  EXPECT_TRUE(folder->Look("x")->exists);
  EXPECT_THAT(*folder->Names(), ElementsAre(".", "..", "x"));
  EXPECT_THAT(*folder->Names(), ElementsAre(".", "..", "x"));  // from its beginning again
}

TEST(FolderTest, KnowsAFileAgainUnderAnotherName) {
  const TempFolder temp;
  temp.Write("a", "abc");
  const FolderPtr folder = Opened(temp.path());
  const FileIdentity before = folder->Look("a")->identity;
  EXPECT_EQ(before.size, 3U);
  ASSERT_EQ(folder->Rename("a", "b", 0), 0);
  ASSERT_EQ(folder->Link("b", "c"), 0);
  EXPECT_EQ(folder->Look("b")->identity, before);
  EXPECT_EQ(folder->Look("c")->identity, before);
  EXPECT_FALSE(folder->Look("a")->exists);
  EXPECT_EQ(folder->Remove("a"), 0);
}

TEST(FolderTest, IsNoFileAndNotNowhere) {
  const TempFolder temp;
  temp.Write("file", "");
  const auto file = Folder::Open(temp / "file", "-o");
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("is not a folder"));
  EXPECT_EQ(KindOf(Folder::Open(temp / "nowhere", "-o").status()), ErrorKind::kWrite);
}

TEST(ParentFolder, IsWhatStandsBeforeTheName) {
  EXPECT_EQ(ParentFolder("a/b/c.onnx"), "a/b");
  EXPECT_EQ(ParentFolder("/c.onnx"), "/");
  EXPECT_EQ(ParentFolder("c.onnx"), ".");
}

}  // namespace
}  // namespace onnxquant
