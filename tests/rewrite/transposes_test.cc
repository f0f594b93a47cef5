#include "lib/rewrite/transposes.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "lib/formats/formats.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

// Two matrices of any element size, each with the job that stores it in blocks.
class AreTransposesTest : public RewriteFixture {
 protected:
  template <typename Element>
  void Load(std::int64_t n, std::int64_t k, onnx::TensorProto::DataType type,
            std::int64_t wrong = -1) {
    std::vector<Element> wide(static_cast<std::size_t>(n * k));
    std::vector<Element> tall(wide.size());
    for (std::int64_t row = 0; row < n; ++row) {
      for (std::int64_t column = 0; column < k; ++column) {
        const auto value = static_cast<Element>(row * 7919 + column * 31 + 1);
        wide[static_cast<std::size_t>(row * k + column)] = value;
        tall[static_cast<std::size_t>(column * n + row)] = value;
      }
    }
    if (wrong >= 0) tall[static_cast<std::size_t>(wrong)] ^= 1;
    onnx::ModelProto proto = ParseModel(
        "<ir_version: 10, opset_import: [\"\" : 21]> g (float x) => (float y) "
        "{ y = Identity(x) }");
    Add({n, k}, type, wide, proto);
    Add({k, n}, type, tall, proto);
    auto model = Model::FromProto(std::move(proto), "m.onnx");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = std::make_unique<Model>(*std::move(model));
    Describe(n, k, true, 0, wide_);
    Describe(n, k, false, 1, tall_);
  }

  bool Same() const {
    const auto same = AreTransposes(*model_, wide_, tall_);
    const auto turned = AreTransposes(*model_, tall_, wide_);
    EXPECT_TRUE(same.ok() && turned.ok());
    EXPECT_EQ(*same, *turned);
    return *same;
  }

  std::string Samples(const FillJob& job) const {
    return SamplesEitherWay(job, *model_->Bytes(*job.source));
  }

  FillJob wide_;
  FillJob tall_;

 private:
  template <typename Element>
  static void Add(std::vector<std::int64_t> dims, onnx::TensorProto::DataType type,
                  const std::vector<Element>& values, onnx::ModelProto& proto) {
    onnx::TensorProto& tensor = *proto.mutable_graph()->add_initializer();
    tensor.set_name(std::string(1, static_cast<char>('a' + proto.graph().initializer_size())));
    tensor.mutable_dims()->Add(dims.begin(), dims.end());
    tensor.set_data_type(type);
    tensor.set_raw_data(
        std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Element)));
  }

  void Describe(std::int64_t n, std::int64_t k, bool transposed, int index, FillJob& job) const {
    for (const Format* form : Formats()) {
      if (form->name == "matmul_nbits") job.stored.form = form;
    }
    job.stored.n = n;
    job.stored.k = k;
    job.stored.transposed = transposed;
    job.source = &model_->proto().graph().initializer(index);
  }
};

TEST_F(AreTransposesTest, MatricesOfAnyElementSizeAreCompared) {
  Load<std::uint16_t>(70, 33, onnx::TensorProto::FLOAT16);
  EXPECT_TRUE(Same());
  Load<std::uint32_t>(1, 129, onnx::TensorProto::FLOAT);
  EXPECT_TRUE(Same());
  Load<std::uint64_t>(65, 64, onnx::TensorProto::DOUBLE);
  EXPECT_TRUE(Same());
}

TEST_F(AreTransposesTest, OneBitAnywhereIsADifference) {
  for (const std::int64_t wrong : {0, 64, 4095, 70 * 130 - 1}) {
    Load<std::uint32_t>(70, 130, onnx::TensorProto::FLOAT, wrong);
    EXPECT_FALSE(Same()) << wrong;
  }
}

TEST_F(AreTransposesTest, MatricesOfSeveralBandsAreReadToTheirEnd) {
  // 4096 bytes of each of 2048 columns are a band.
  const std::int64_t n = 2500;
  Load<std::uint32_t>(n, 2048, onnx::TensorProto::FLOAT);
  EXPECT_TRUE(Same());
  Load<std::uint32_t>(n, 2048, onnx::TensorProto::FLOAT, n - 1);
  EXPECT_FALSE(Same());
}

TEST_F(AreTransposesTest, SamplesAreOfTheSameElementsEitherWay) {
  Load<std::uint32_t>(70, 130, onnx::TensorProto::FLOAT);
  EXPECT_EQ(Samples(wide_), Samples(tall_));
  Load<std::uint32_t>(70, 130, onnx::TensorProto::FLOAT, 70 * 130 - 1);
  EXPECT_NE(Samples(wide_), Samples(tall_)) << "the last element is among them";
}

}  // namespace
}  // namespace onnxquant
