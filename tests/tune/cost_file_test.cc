#include "lib/tune/cost_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

const CostKey kKey = {"0123", "4567", "layer \"one\"", "int4 block 32", ""};

TEST(CostFileTest, WhatWasAddedIsFoundAgain) {
  const TempFolder folder;
  CostFile file = *CostFile::Open(folder / "costs");
  EXPECT_EQ(file.Find(kKey), nullptr);
  ASSERT_TRUE(file.Add(kKey, {0.125, 3}).ok());
  EXPECT_EQ(file.Find(kKey)->kl, 0.125);
  const CostFile again = *CostFile::Open(folder / "costs");
  ASSERT_NE(again.Find(kKey), nullptr);
  EXPECT_EQ(again.Find(kKey)->kl, 0.125);
  EXPECT_EQ(again.Find(kKey)->error, 3);
}

TEST(CostFileTest, AnotherTextOrFormatIsAnotherCost) {
  CostFile file = *CostFile::Open("");
  ASSERT_TRUE(file.Add(kKey, {1, 1}).ok());
  for (auto member : {&CostKey::model, &CostKey::text, &CostKey::weight, &CostKey::format,
                      &CostKey::calibration}) {
    CostKey other = kKey;
    other.*member += "x";
    EXPECT_EQ(file.Find(other), nullptr);
  }
}

TEST(CostFileTest, SeveralRunsAddToOneFile) {
  const TempFolder folder;
  CostFile one = *CostFile::Open(folder / "costs");
  CostFile other = *CostFile::Open(folder / "costs");
  CostKey second = kKey;
  second.weight = "second";
  ASSERT_TRUE(one.Add(kKey, {1, 1}).ok());
  ASSERT_TRUE(other.Add(second, {2, 2}).ok());
  const CostFile both = *CostFile::Open(folder / "costs");
  EXPECT_EQ(both.Find(kKey)->kl, 1);
  EXPECT_EQ(both.Find(second)->kl, 2);
}

TEST(CostFileTest, ALineThatWasCutOffIsPassedOver) {
  const TempFolder folder;
  ASSERT_TRUE(CostFile::Open(folder / "costs")->Add(kKey, {1, 1}).ok());
  std::ofstream(folder / "costs", std::ios::app) << R"({"model": "01)";
  CostFile file = *CostFile::Open(folder / "costs");
  EXPECT_NE(file.Find(kKey), nullptr);
  // What is added next does not run into it.
  CostKey second = kKey;
  second.weight = "second";
  ASSERT_TRUE(file.Add(second, {2, 2}).ok());
  EXPECT_NE(CostFile::Open(folder / "costs")->Find(second), nullptr);
}

TEST(CostFileTest, AFileOfOtherThingsIsRefusedWithItsLine) {
  const TempFolder folder;
  for (const char* text : {"hello\nworld\n", "{}\n{}\n", "[1, 2]\n\n",
                           R"({"model":"","text":"","weight":"","format":"","calibration":"",)"
                           R"("kl":-1,"error":0})"
                           "\n"}) {
    folder.Write("costs", text);
    const auto opened = CostFile::Open(folder / "costs");
    ASSERT_FALSE(opened.ok()) << text;
    EXPECT_EQ(KindOf(opened.status()), ErrorKind::kUsage);
    EXPECT_THAT(std::string(opened.status().message()), HasSubstr("costs:1: is no measured cost"));
  }
}

TEST(CostFileTest, AFolderThatIsNotThereIsAnErrorOfWriting) {
  const TempFolder folder;
  CostFile file = *CostFile::Open(folder / "none/costs");
  EXPECT_EQ(KindOf(file.Add(kKey, {1, 1})), ErrorKind::kWrite);
}

}  // namespace
}  // namespace onnxquant
