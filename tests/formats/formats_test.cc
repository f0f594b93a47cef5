#include "lib/formats/formats.h"

#include <set>

#include "gmock/gmock.h"
#include "lib/formats/node_proto.h"
#include "lib/formats/parameters.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

WeightReading Product(std::vector<std::int64_t> dims) {
  static const onnx::NodeProto node;
  WeightReading reading;
  reading.node = &node;
  reading.op = "MatMul";
  reading.input = 1;
  reading.dims = std::move(dims);
  return reading;
}

WeightReading Table(std::vector<std::int64_t> dims) {
  WeightReading reading = Product(std::move(dims));
  reading.op = "Gather";
  reading.input = 0;
  return reading;
}

TEST(Formats, EveryRowSaysAllThatIsAskedOfIt) {
  std::set<absl::string_view> names;
  for (const Format* form : Formats()) {
    EXPECT_TRUE(names.insert(form->name).second) << form->name;
    EXPECT_FALSE(form->words.empty()) << form->name;
    EXPECT_FALSE(form->operators.empty()) << form->name;
    EXPECT_FALSE(form->runs.empty()) << form->name;
    EXPECT_FALSE(form->about.empty()) << form->name;
    EXPECT_NE(form->fits, nullptr) << form->name;
    EXPECT_NE(form->tensors, nullptr) << form->name;
    EXPECT_NE(form->codec, nullptr) << form->name;
    EXPECT_NE(form->read, nullptr) << form->name;
  }
}

TEST(Formats, AWordMeansTheSameInEveryRowThatHasIt) {
  for (const Format* form : Formats()) {
    for (const FormatWord& own : form->words) {
      const WeightFormat format = *FormatOfWord(own.word);
      EXPECT_EQ(format.bits, own.bits) << own.word;
      EXPECT_EQ(format.is_signed, own.is_signed) << own.word;
      EXPECT_EQ(format.symmetric, own.symmetric) << own.word;
      EXPECT_EQ(format.per_channel, own.per_channel) << own.word;
      EXPECT_EQ(format.block, own.block) << own.word;
    }
  }
  EXPECT_FALSE(FormatOfWord("int3"));
}

TEST(Formats, EveryParameterIsToldInAFormatThatTakesIt) {
  WeightFormat format = *FormatOfWord("int4");
  EXPECT_EQ(ToString(format), "int4 block 32 symmetric");
  format.symmetric = false;
  format.source = ElementType::kFloat16;
  EXPECT_EQ(ToString(format), "int4 block 32 asymmetric from float16");
  WeightFormat dynamic = *FormatOfWord("dynamic_int8");
  dynamic.per_channel = true;
  EXPECT_EQ(ToString(dynamic), "dynamic_int8 symmetric per channel");
  EXPECT_FALSE(Takes("int4", Parameter::kReduceRange));
  EXPECT_TRUE(Takes("dynamic_uint8", Parameter::kReduceRange));
}

TEST(Formats, TheFormFollowsFromTheReader) {
  const WeightFormat int4 = *FormatOfWord("int4");
  EXPECT_EQ(FindFit(int4, Product({64, 32}), false).stored.form->name, "matmul_nbits");
  EXPECT_EQ(FindFit(int4, Table({64, 32}), true).stored.form->name, "gather_blocks");
  const WeightFormat dynamic = *FormatOfWord("dynamic_uint8");
  EXPECT_EQ(FindFit(dynamic, Table({64, 32}), false).stored.form->name, "gather_integer");
}

TEST(Formats, ATableIsReadInBlocksOnlyWhereARuleSaysSo) {
  const FormatFit fit = FindFit(*FormatOfWord("int4"), Table({64, 32}), false);
  EXPECT_FALSE(fit.ok());
  EXPECT_THAT(fit.reason, HasSubstr("only a rule that names it"));
}

TEST(Formats, WhatDoesNotFitSaysWhy) {
  const WeightFormat int4 = *FormatOfWord("int4");
  const auto why = [&](const WeightReading& reading) {
    return FindFit(int4, reading, true).reason;
  };
  EXPECT_THAT(why(Product({4, 64, 16})), HasSubstr("of 3 dimensions"));
  EXPECT_THAT(why(Product({0, 16})), HasSubstr("empty"));
  WeightReading reading = Product({1, 64, 16});
  EXPECT_THAT(why(reading), HasSubstr("are not known"));
  reading.other_rank = 2;
  EXPECT_THAT(why(reading), HasSubstr("has fewer"));
  reading.other_rank = 3;
  EXPECT_EQ(why(reading), "");
  reading = Product({64, 16});
  reading.compute = ElementType::kBFloat16;
  EXPECT_THAT(why(reading), HasSubstr("computes in bfloat16"));
  reading = Product({64, 16});
  reading.input = 0;
  EXPECT_THAT(why(reading), HasSubstr("second operand"));
  reading.op = "Add";
  EXPECT_THAT(
      why(reading),
      HasSubstr("no Add reads int4; MatMul, Gemm, Einsum, Conv, Gather, com.microsoft::MoE may"));
  EXPECT_THAT(why(Table({8, 33})), HasSubstr("do not end with a byte"));
  WeightFormat asymmetric = int4;
  asymmetric.symmetric = false;
  EXPECT_THAT(FindFit(asymmetric, Table({8, 96}), true).reason, HasSubstr("symmetric blocks"));
  EXPECT_TRUE(FindFit(asymmetric, Table({8, 128}), true).ok());
}

TEST(Formats, NoProductHasAsManyNumbersAsABlock) {
  WeightFormat format = *FormatOfWord("int4");
  EXPECT_THAT(FindFit(format, Product({8, 4}), true).reason, HasSubstr("as many as a block"));
  EXPECT_TRUE(FindFit(format, Product({8, 5}), true).ok());
  EXPECT_TRUE(FindFit(format, Product({32, 1}), true).ok());
  WeightReading filters = Product({4, 8, 1});
  filters.op = "Conv";
  EXPECT_THAT(FindFit(format, filters, true).reason, HasSubstr("as many as a block"));
  format.block = 16;
  EXPECT_TRUE(FindFit(format, Product({8, 4}), true).ok());
  EXPECT_TRUE(FindFit(format, filters, true).ok());
}

TEST(Formats, ATableAndATransposedProductHaveTheSameCodesWhereRowsArePadded) {
  const WeightFormat int4 = *FormatOfWord("int4");
  const auto stored = [&](const WeightReading& reading) {
    return FindFit(int4, reading, true).stored;
  };
  WeightReading head = Product({64, 96});
  head.transposed = true;
  const Stored table = stored(Table({64, 96}));
  EXPECT_TRUE(SameCodes(table, stored(head)));
  EXPECT_EQ(FirstInTable(table, stored(head)).form->name, "matmul_nbits");
  EXPECT_FALSE(SameCodes(table, stored(Product({64, 96}))));
  head.dims = {64, 100};
  EXPECT_FALSE(SameCodes(stored(Table({64, 100})), stored(head)));
  head.dims = {64, 96};
  head.compute = ElementType::kFloat16;
  EXPECT_FALSE(SameCodes(table, stored(head)));
}

TEST(Formats, ATableOfPlainOperatorsHasTheCodesOfItsHead) {
  WeightReading head = Product({64, 96});
  head.transposed = true;
  const Stored table = FindFit(*FormatOfWord("plain_int8"), Table({64, 96}), true).stored;
  EXPECT_EQ(table.form->name, "gather_plain");
  EXPECT_TRUE(SameCodes(table, FindFit(*FormatOfWord("int8"), head, false).stored));
  EXPECT_FALSE(SameCodes(table, FindFit(*FormatOfWord("int4"), head, false).stored));
  EXPECT_THAT(FindFit(*FormatOfWord("plain_int8"), Table({64, 100}), true).reason,
              HasSubstr("end within a block of 32"));
}

TEST(Formats, ATableOfIntegersHasTheCodesOfItsHeadWhereBothHaveAsManyScales) {
  WeightReading head = Product({64, 96});
  head.transposed = true;
  WeightFormat format = *FormatOfWord("dynamic_uint8");
  const auto same = [&]() {
    return SameCodes(FindFit(format, Table({64, 96}), false).stored,
                     FindFit(format, head, false).stored);
  };
  EXPECT_TRUE(same());
  format.per_channel = true;
  EXPECT_TRUE(same());
  onnx::NodeProto columns;
  SetInt(columns, "axis", 1);
  WeightReading reading = Table({64, 96});
  reading.node = &columns;
  EXPECT_FALSE(FindFit(format, reading, false).stored.format.per_channel);
}

TEST(Formats, BytesAreThoseOfAllTensors) {
  WeightFormat format = *FormatOfWord("int4");
  format.symmetric = false;
  const FormatFit fit = FindFit(format, Product({100, 7}), false);
  // 4 blocks of 32: 16 bytes of codes, a float32 scale and half a byte of zero point each.
  EXPECT_EQ(BytesOf(fit.stored), 7U * (4 * 16 + 4 * 4 + 2));
}

TEST(Formats, WordsAreListedOnce) {
  EXPECT_THAT(CodeWords(), ::testing::IsSupersetOf({"int2", "int4", "int8", "dynamic_uint8"}));
  const std::vector<std::string> words = CodeWords();
  EXPECT_EQ(std::set<std::string>(words.begin(), words.end()).size(), words.size());
}

}  // namespace
}  // namespace onnxquant
