#include "lib/report/table.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoTrailingBlanks) {
  Table table({{"file"}, {"bytes", Table::Align::kRight}, {"note"}});
  table.AddRow({"a.onnx", "1,234", ""});
  table.AddRow({"longer.onnx", "7", "≈ half"});
  EXPECT_EQ(table.ToString(),
            "file         bytes  note\n"
            "-----------  -----  ------\n"
            "a.onnx       1,234\n"
            "longer.onnx      7  ≈ half\n");
}

TEST(Table, FillsMissingCellsAndDropsSurplusOnes) {
  Table table({{"a"}, {"b"}});
  table.AddRow({"1"});
  table.AddRow({"1", "2", "3"});
  EXPECT_EQ(table.ToString(), "a  b\n-  -\n1\n1  2\n");
}

TEST(Table, GroupsDigitsByThree) {
  EXPECT_EQ(WithSeparators(0), "0");
  EXPECT_EQ(WithSeparators(999), "999");
  EXPECT_EQ(WithSeparators(1000), "1,000");
  EXPECT_EQ(WithSeparators(569862656), "569,862,656");
}

TEST(Table, GivesBytesInDecimalUnits) {
  EXPECT_EQ(HumanBytes(812), "812 B");
  EXPECT_EQ(HumanBytes(193'900), "193.9 kB");
  EXPECT_EQ(HumanBytes(569'862'656), "569.9 MB");
  EXPECT_EQ(HumanBytes(1'139'501'568), "1.14 GB");
}

}  // namespace
}  // namespace onnxquant
