#include "lib/runtime/tokens.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/numpy_files.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Sequence = std::vector<std::int64_t>;

class TokensTest : public ::testing::Test {
 protected:
  TokenSequences Read(const std::string& name, const std::string& content) {
    folder_.Write(name, content);
    const auto result = ReadTokens(folder_ / name);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : TokenSequences();
  }
  std::string Refusal(const std::string& name, const std::string& content) {
    folder_.Write(name, content);
    const auto result = ReadTokens(folder_ / name);
    EXPECT_EQ(KindOf(result.status()), ErrorKind::kUsage);
    return std::string(result.status().message());
  }
  TempFolder folder_;
};

TEST_F(TokensTest, ReadsNumbersBetweenSpacesAndCommas) {
  EXPECT_THAT(Read("t.txt", " 2, 818\n5279\t529,"), ElementsAre(Sequence{2, 818, 5279, 529}));
}

TEST_F(TokensTest, RefusesText) {
  EXPECT_THAT(Refusal("t.txt", "2 The capital"), HasSubstr("token 2 is 'The'; expected a whole"));
  EXPECT_THAT(Refusal("t.txt", "1.5"), HasSubstr("token 1 is '1.5'"));
  EXPECT_THAT(Refusal("t.txt", "  \n"), HasSubstr("holds no tokens"));
}

TEST_F(TokensTest, ReadsASequenceALineOfJson) {
  EXPECT_THAT(Read("t.jsonl", "[1,2]\n\n{\"id\": 7, \"tokens\": [3]}\n{\"input_ids\": [4, 5]}"),
              ElementsAre(Sequence{1, 2}, Sequence{3}, Sequence{4, 5}));
}

TEST_F(TokensTest, NamesTheLineOfBadJson) {
  for (const char* line : {"[1, 2.5]", "{\"text\": \"no\"}", "7"}) {
    EXPECT_THAT(Refusal("t.jsonl", std::string("[1]\n") + line), HasSubstr("t.jsonl:2: is no list"))
        << line;
  }
  EXPECT_THAT(Refusal("t.jsonl", "[1]\n[1,"), HasSubstr("t.jsonl:2:4: is not valid JSON"));
}

TEST_F(TokensTest, ReadsNumpyArraysOfBothWidths) {
  EXPECT_THAT(Read("t.npy", NpyFile("<i4", "(2,)", std::string("\x02\0\0\0\x01\x01\0\0", 8))),
              ElementsAre(Sequence{2, 257}));
  EXPECT_THAT(Read("t.npy", NpyFile("<i8", "(2, 1)",
                                    std::string("\x02\0\0\0\0\0\0\0\xff\xff\xff\xff"
                                                "\xff\xff\xff\xff",
                                                16))),
              ElementsAre(Sequence{2}, Sequence{-1}));
}

TEST_F(TokensTest, RefusesOtherNumpyArrays) {
  const std::string data(16, '\0');
  EXPECT_THAT(Refusal("t.npy", NpyFile("<f4", "(4,)", data)), HasSubstr("expected int32 or int64"));
  EXPECT_THAT(Refusal("t.npy", NpyFile("<i4", "(1, 2, 2)", data)), HasSubstr("expected int32"));
  EXPECT_THAT(Refusal("t.npy", NpyFile("<i4", "(5,)", data)), HasSubstr("its shape needs more"));
  EXPECT_THAT(Refusal("t.npy", NpyFile("<i8", "(4611686018427387904, 8)", data)),
              HasSubstr("its shape needs more"));
  EXPECT_THAT(Refusal("t.npy", "1 2 3"), HasSubstr("is no NumPy file"));
  EXPECT_THAT(Refusal("t.npy", NpyFile("<i4", "(1,)", data).substr(0, 60)),
              HasSubstr("ends within its header"));
}

TEST_F(TokensTest, TakesNothingFromANumpyHeaderThatTheFileDoesNotHold) {
  const std::string data(16, '\0');
  for (const char* shape :
       {"(4611686018427387904, 4)", "(2, 18446744073709551615)", "(99999999999999999999,)",
        "(3000000000, 1)", "(0, 18446744073709551615)", "(2, 2, 2)"}) {
    EXPECT_THAT(Refusal("t.npy", NpyFile("<i8", shape, data)), HasSubstr("its shape")) << shape;
  }
  for (const char* shape : {"(3000000000, 0)", "(0,)"}) {
    EXPECT_THAT(Refusal("t.npy", NpyFile("<i8", shape, "")), HasSubstr("holds no tokens")) << shape;
  }
  for (const char* shape : {"(-1,)", "((2, 2),)", "(1e1,)", "(2L,)"}) {
    EXPECT_THAT(Refusal("t.npy", NpyFile("<i8", shape, data)),
                HasSubstr("is an array with the header"))
        << shape;
  }
}

TEST_F(TokensTest, BoundsANumpyFilesHeader) {
  const auto file = [](int version, std::size_t length, const std::string& rest) {
    std::string head = std::string("\x93NUMPY") + static_cast<char>(version) + std::string(1, '\0');
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i) head += static_cast<char>(length >> (8 * i));
    return head + rest;
  };
  EXPECT_THAT(Refusal("t.npy", file(2, 65537, std::string(70000, '('))),
              HasSubstr("has a header of 65537 bytes; at most 65536 are read"));
  EXPECT_LT(Refusal("t.npy", file(2, 65536, std::string(65536, '('))).size(), 600U);
  EXPECT_LT(Refusal("t.npy", file(1, 65535, "'descr': '" + std::string(65525, '<'))).size(), 600U);
  EXPECT_THAT(Refusal("t.npy", file(3, 4294967295, "{}")), HasSubstr("ends within its header"));
  EXPECT_THAT(Refusal("t.npy", file(9, 2, "{}")), HasSubstr("of format 9; 1 to 3 are known"));
}

TEST_F(TokensTest, NamesTheLineOfHostileJson) {
  const std::string deep =
      "{\"tokens\": " + std::string(200000, '[') + std::string(200000, ']') + "}";
  EXPECT_THAT(Refusal("t.jsonl", "[1]\n" + deep), HasSubstr("t.jsonl:2:75: is nested more than"));
  EXPECT_THAT(Refusal("t.jsonl", "[18446744073709551615]"),
              HasSubstr("t.jsonl:1: is no list of whole"));
  EXPECT_THAT(Refusal("t.jsonl", "[1e999]"), HasSubstr("t.jsonl:1:6: is not valid JSON"));
  EXPECT_THAT(Refusal("t.jsonl", "{\"ids\": [1], \"ids\": [2]}"), HasSubstr("'ids' stands twice"));
}

TEST_F(TokensTest, RefusesAMissingFileAndAFolder) {
  EXPECT_THAT(std::string(ReadTokens(folder_ / "none.txt").status().message()),
              HasSubstr("none.txt: the file of token ids cannot be read: No such file or "
                        "directory; --tokens takes a file of token ids, or 'self'"));
  EXPECT_EQ(KindOf(ReadTokens(folder_.path()).status()), ErrorKind::kUsage);
}

TEST_F(TokensTest, ChecksTokensAgainstTheVocabulary) {
  EXPECT_TRUE(CheckTokens({{0, 7}}, 8, "t").ok());
  EXPECT_TRUE(CheckTokens({{0, 700}}, -1, "t").ok());
  const auto status = CheckTokens({{0}, {1, 8}}, 8, "t.txt");
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("t.txt: token 2 of sequence 2 is 8; the model's vocabulary is 0 to 7"));
  EXPECT_FALSE(CheckTokens({{-1}}, -1, "t").ok());
}

TEST_F(TokensTest, LimitsTheTokensInAll) {
  TokenSequences sequences = {{1, 2, 3}, {4, 5}, {6}};
  LimitTokens(sequences, 0);
  EXPECT_EQ(CountTokens(sequences), 6U);
  LimitTokens(sequences, 4);
  EXPECT_THAT(sequences, ElementsAre(Sequence{1, 2, 3}, Sequence{4}, Sequence{}));
}

TEST_F(TokensTest, FindsTheStartTokenBesideTheModelAndAboveItsOnnxFolder) {
  EXPECT_EQ(StartToken(folder_ / "onnx/model.onnx"), std::nullopt);
  folder_.Write("config.json", "{\"bos_token_id\": 2}");
  EXPECT_EQ(StartToken(folder_ / "onnx/model.onnx"), 2);
  EXPECT_EQ(StartToken(folder_ / "other/model.onnx"), std::nullopt);
  folder_.Write("onnx/generation_config.json", "{\"decoder_start_token_id\": 5}");
  EXPECT_EQ(StartToken(folder_ / "onnx/model.onnx"), 5);
}

}  // namespace
}  // namespace onnxquant
