#include "lib/rewrite/remove_dead.h"

#include "gmock/gmock.h"
#include "lib/rewrite/share_equal.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using RemoveDeadTest = RewriteFixture;

constexpr char kTableAndProduct[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64[2] i, float[2, 8] x) => (float[2, 8] y, float[2, 8] z)
<float[8, 8] w, float[8, 8] table> {
  y = Gather(table, i)
  z = MatMul(x, w)
})";
constexpr char kByRow[] =
    "outputs:\n  q8: {compute: float32, weights: {format: dynamic_int8, per_channel: true}, io: "
    "float32}\n";

std::vector<std::string> Names(const Rewritten& rewritten) {
  std::vector<std::string> names;
  for (const auto& tensor : rewritten.model.graph().initializer()) names.push_back(tensor.name());
  return names;
}

TEST_F(RemoveDeadTest, OfCodesThePartsAreLeftOutThatNoReaderReads) {
  Load(kTableAndProduct);
  const Rewritten rewritten = Run(kByRow);
  EXPECT_THAT(Names(rewritten), UnorderedElementsAre("w_quantized", "w_scale", "w_zero_point",
                                                     "table_quantized", "table_scale"));
  EXPECT_THAT(rewritten.unread, ElementsAre(Pair("table_zero_point", 8)));
  ASSERT_EQ(rewritten.jobs.size(), 2U);
  for (const FillJob& job : rewritten.jobs) {
    ASSERT_EQ(job.targets.size(), 3U);
    EXPECT_EQ(job.targets[2] == kNotStored, job.source->name() == "table");
    for (std::size_t part = 0; part < 3; ++part) {
      if (job.targets[part] == kNotStored) continue;
      const auto& tensor = rewritten.model.graph().initializer(job.targets[part]);
      EXPECT_EQ(tensor.name().substr(0, 1), job.source->name().substr(0, 1));
    }
  }
}

// The one's job would not fill what the other's reader reads.
TEST_F(RemoveDeadTest, EqualConstantsOfWhichOneLacksAPartAreStoredEach) {
  Load(kTableAndProduct);
  onnx::ModelProto proto = model_->proto();
  for (auto& tensor : *proto.mutable_graph()->mutable_initializer()) {
    tensor.clear_float_data();
    tensor.clear_dims();
    tensor.add_dims(256);
    tensor.add_dims(256);
    tensor.set_raw_data(std::string(256 * 256 * 4, '\0'));
  }
  for (auto* info : {proto.mutable_graph()->mutable_input(1)->mutable_type(),
                     proto.mutable_graph()->mutable_output(0)->mutable_type(),
                     proto.mutable_graph()->mutable_output(1)->mutable_type()}) {
    info->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(256);
  }
  auto model = Model::FromProto(std::move(proto), "m.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  model_ = std::make_unique<Model>(*std::move(model));
  auto analysis = Analyze(model_->proto(), "m.onnx");
  ASSERT_TRUE(analysis.ok()) << analysis.status();
  analysis_.emplace(*std::move(analysis));
  Rewritten rewritten = Run(kByRow);
  ASSERT_TRUE(ShareEqual(*model_, rewritten).ok());
  EXPECT_EQ(rewritten.jobs.size(), 2U);
}

}  // namespace
}  // namespace onnxquant
