#include "lib/report/fold.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;

auto Row(const char* name, const char* layers, std::uint64_t bytes) {
  return AllOf(Field(&FoldedRow::name, name), Field(&FoldedRow::layers, layers),
               Field(&FoldedRow::bytes, bytes));
}

LayerRow Of(const char* name, int layer, const char* cell, std::uint64_t bytes = 1) {
  return {name, layer, {cell}, bytes};
}

TEST(FoldLayersTest, RowsThatAreAlikeAreOneWhereTheFirstStood) {
  const auto rows = FoldLayers({Of("table", -1, "a", 9), Of("l.0.q", 0, "q"), Of("l.0.k", 0, "k"),
                                Of("l.1.q", 1, "q", 2), Of("l.1.k", 1, "k"), Of("l.2.q", 2, "q")});
  EXPECT_THAT(rows,
              ElementsAre(Row("table", "", 9), Row("l.*.q", "0-2", 4), Row("l.*.k", "0-1", 2)));
}

TEST(FoldLayersTest, WhatDiffersInACellStaysApart) {
  const auto rows =
      FoldLayers({Of("l.0.v", 0, "half"), Of("l.1.v", 1, "codes"), Of("l.2.v", 2, "codes"),
                  Of("l.3.v", 3, "half"), Of("l.5.v", 5, "codes")});
  EXPECT_THAT(rows, ElementsAre(Row("l.*.v", "0, 3", 2), Row("l.*.v", "1-2, 5", 3)));
}

TEST(FoldLayersTest, ANumberThatIsTheLayersByChanceIsNone) {
  const auto rows = FoldLayers({Of("l.0.fc1", 0, "a"), Of("l.1.fc1", 1, "a"), Of("l.2.fc1", 2, "a"),
                                Of("l.10.fc1", 10, "a")});
  EXPECT_THAT(rows, ElementsAre(Row("l.*.fc1", "0-2, 10", 4)));
}

TEST(FoldLayersTest, NamesWithoutTheLayersNumberAreCounted) {
  const auto rows = FoldLayers({Of("w_70", 0, "q"), Of("w_80", 1, "q"), Of("w_90", 1, "k"),
                                Of("cos", 0, "t"), Of("sin", 0, "t")});
  EXPECT_THAT(rows, ElementsAre(Row("w_70 and 1 more", "0-1", 2), Row("w_90", "1", 1),
                                Row("cos", "0", 1), Row("sin", "0", 1)));
}

TEST(FoldLayersTest, ASingleLayerKeepsItsName) {
  EXPECT_THAT(FoldLayers({Of("l.7.q", 7, "a"), Of("x", -1, "a"), Of("y", -1, "a")}),
              ElementsAre(Row("l.7.q", "7", 1), Row("x", "", 1), Row("y", "", 1)));
}

TEST(UnfoldedTest, EachRowIsALine) {
  EXPECT_THAT(Unfolded({Of("l.0.q", 0, "q"), Of("l.1.q", 1, "q")}),
              ElementsAre(Row("l.0.q", "0", 1), Row("l.1.q", "1", 1)));
}

}  // namespace
}  // namespace onnxquant
