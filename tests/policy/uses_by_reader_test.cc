#include "lib/policy/uses_by_reader.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(UsesByReaderTest, ListsTheReadingsOfEachNodeInOrder) {
  std::vector<WeightUse> uses(4);
  uses[0].reader.node = 2;
  uses[1].reader.node = 0;
  uses[2].reader.node = 2;
  uses[3].reader.node = 3;
  const UsesByReader by_reader(uses, 4);
  EXPECT_THAT(by_reader.Of(0), ElementsAre(1));
  EXPECT_THAT(by_reader.Of(1), IsEmpty());
  EXPECT_THAT(by_reader.Of(2), ElementsAre(0, 2));
  EXPECT_THAT(by_reader.Of(3), ElementsAre(3));
}

}  // namespace
}  // namespace onnxquant
