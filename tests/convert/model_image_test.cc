#include "lib/convert/model_image.h"

#include <string>

#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"

namespace onnxquant {
namespace {

// Three tensors of two bytes inside the file, the third with the bytes of the first, and one
// outside with the bytes of the second.
PlannedOutput Example() {
  PlannedOutput output;
  output.model = "a00b00c00d";
  output.payload_at = {1, 4, 7, 0};
  output.layout.items.resize(4);
  output.layout.items[3].shard = 0;
  output.rewritten.bytes = {2, 2, 2, 2};
  output.rewritten.same_as = {-1, -1, 0, 1};
  return output;
}

TEST(ModelImage, PutsBytesWhereverTheTensorStands) {
  const PlannedOutput output = Example();
  ModelImage image(output);
  const std::string bytes = "xy";
  image.Put(0, 0, AsBytes(bytes));
  EXPECT_EQ(image.bytes(), "axyb00cxyd");
  const std::string one = "z";
  image.Put(1, 1, AsBytes(one));
  EXPECT_EQ(image.bytes(), "axyb0zcxyd");
  EXPECT_EQ(image.PayloadOf(1).size(), 2U);
  EXPECT_EQ(static_cast<char>(image.PayloadOf(2)[1]), 'y');
}

TEST(ModelImage, LeavesThePlanAsItIs) {
  const PlannedOutput output = Example();
  ModelImage image(output);
  const std::string bytes = "xy";
  image.Put(0, 0, AsBytes(bytes));
  EXPECT_EQ(output.model, "a00b00c00d");
}

}  // namespace
}  // namespace onnxquant
