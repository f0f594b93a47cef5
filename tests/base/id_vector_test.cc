#include "lib/base/id_vector.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(IdVectorTest, IsIndexedWithSignedAndUnsignedNumbers) {
  IdVector<int> numbers(3, 0);
  const int id = 2;
  numbers[id] = 5;
  EXPECT_EQ(numbers[std::size_t{2}], 5);
  const IdVector<int>& constant = numbers;
  EXPECT_EQ(constant[id], 5);
}

TEST(IdVectorTest, HoldsBits) {
  IdVector<bool> bits(2, false);
  const int id = 1;
  bits[id] = true;
  EXPECT_TRUE(bits[id]);
  EXPECT_FALSE(bits[0]);
}

}  // namespace
}  // namespace onnxquant
