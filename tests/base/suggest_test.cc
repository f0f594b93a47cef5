#include "lib/base/suggest.h"

#include <vector>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

const std::vector<std::string> kWords = {"compute", "weights", "accuracy_level", "io"};

TEST(Suggest, FindsTheWordOneTypoAway) {
  EXPECT_EQ(Nearest("comptue", kWords), "compute");
  EXPECT_EQ(Nearest("weight", kWords), "weights");
  EXPECT_EQ(Nearest("acuracy_level", kWords), "accuracy_level");
}

TEST(Suggest, SaysNothingWhenNoWordIsNear) {
  EXPECT_EQ(Nearest("banana", kWords), "");
  EXPECT_EQ(DidYouMean("banana", kWords), "");
}

TEST(Suggest, PhrasesTheHint) {
  EXPECT_EQ(DidYouMean("wieghts", kWords), "; did you mean 'weights'?");
}

}  // namespace
}  // namespace onnxquant
