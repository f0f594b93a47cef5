#include "lib/formats/product.h"

#include <deque>
#include <map>

#include "gmock/gmock.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

// Adds nodes to a list; names stay as they are wanted.
class Nodes : public NodeSink {
 public:
  std::string UniqueValue(const std::string& wanted) override { return wanted; }
  std::string UniqueNode(const std::string& wanted) override { return wanted; }
  onnx::NodeProto& AddNode() override { return nodes_.emplace_back(); }
  std::string Once(const std::string& key, const std::function<std::string()>& make) override {
    const auto it = once_.find(key);
    return it != once_.end() ? it->second : once_[key] = make();
  }
  void RequireOpset(const char* /*domain*/, int /*version*/) override {}

  std::vector<std::string> Lines(const onnx::NodeProto& last) const {
    std::vector<std::string> lines;
    for (const onnx::NodeProto& node : nodes_) lines.push_back(Line(node));
    lines.push_back(Line(last));
    return lines;
  }

 private:
  static std::string Line(const onnx::NodeProto& node) {
    std::string line = node.output(0) + " = " + node.op_type();
    for (const std::string& input : node.input()) line += " " + input;
    return line;
  }
  std::deque<onnx::NodeProto> nodes_;
  std::map<std::string, std::string> once_;
};

onnx::NodeProto Gemm(const std::vector<std::string>& inputs) {
  onnx::NodeProto node;
  node.set_op_type("Gemm");
  node.set_name("fc");
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output("y");
  return node;
}

void SetFactor(onnx::NodeProto& node, const char* name, float value) {
  onnx::AttributeProto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::FLOAT);
  attribute->set_f(value);
}

std::vector<std::string> Multiplied(onnx::NodeProto node) {
  Nodes sink;
  const Product product = BeginProduct(node, "_Q4", sink);
  onnx::NodeProto& multiplies = ProductNode(product, node, sink);
  multiplies.set_op_type("Times");
  multiplies.add_input(product.a);
  EndProduct(product, ElementType::kFloat, node, sink);
  return sink.Lines(node);
}

TEST(Product, AMatMulIsNothingElse) {
  onnx::NodeProto node = Gemm({"a", "b"});
  node.set_op_type("MatMul");
  EXPECT_THAT(Multiplied(node), ElementsAre("y = Times a"));
}

TEST(Product, AGemmWithoutFactorsAndSumIsNothingElse) {
  EXPECT_THAT(Multiplied(Gemm({"a", "b"})), ElementsAre("y = Times a"));
}

TEST(Product, ASumIsAddedBehind) {
  EXPECT_THAT(Multiplied(Gemm({"a", "b", "c"})),
              ElementsAre("y_product = Times a", "y = Add y_product c"));
}

TEST(Product, FactorsMultiplyTheProductAndTheSum) {
  onnx::NodeProto node = Gemm({"a", "b", "c"});
  SetFactor(node, "alpha", 2);
  SetFactor(node, "beta", 3);
  EXPECT_THAT(Multiplied(node),
              ElementsAre("y_product = Times a", "y_product/factor = Constant",
                          "y_product_times = Mul y_product y_product/factor", "c/factor = Constant",
                          "c_times = Mul c c/factor", "y = Add y_product_times c_times"));
}

TEST(Product, AFactorAloneIsTheLastNode) {
  onnx::NodeProto node = Gemm({"a", "b"});
  SetFactor(node, "alpha", 2);
  EXPECT_THAT(Multiplied(node), ElementsAre("y_product = Times a", "y_product/factor = Constant",
                                            "y = Mul y_product y_product/factor"));
}

TEST(Product, ASumWithTheFactorZeroIsLeftOut) {
  onnx::NodeProto node = Gemm({"a", "b", "c"});
  SetFactor(node, "beta", 0);
  EXPECT_THAT(Multiplied(node), ElementsAre("y = Times a"));
}

TEST(Product, ALeftOperandIsTransposedBefore) {
  onnx::NodeProto node = Gemm({"a", "b"});
  SetInt(node, "transA", 1);
  EXPECT_THAT(Multiplied(node),
              ElementsAre("a_transposed = Transpose a", "y = Times a_transposed"));
}

TEST(Product, TransBTurnsTheConstant) {
  onnx::NodeProto node = Gemm({"a", "b"});
  WeightReading reading;
  reading.node = &node;
  reading.op = "Gemm";
  reading.input = 1;
  reading.dims = {5, 7};
  EXPECT_EQ(FitProduct(reading).k, 5);
  SetInt(node, "transB", 1);
  EXPECT_EQ(FitProduct(reading).k, 7);
  EXPECT_TRUE(FitProduct(reading).transposed);
  reading.transposed = true;  // behind a Transpose, it is turned back
  EXPECT_EQ(FitProduct(reading).k, 5);
}

ProductFit FitOfEinsum(const char* equation, std::vector<std::int64_t> dims) {
  onnx::NodeProto node;
  node.set_op_type("Einsum");
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name("equation");
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(equation);
  WeightReading reading;
  reading.node = &node;
  reading.op = "Einsum";
  reading.input = 1;
  reading.dims = std::move(dims);
  return FitProduct(reading);
}

TEST(Product, AnEinsumOfRowsAndAMatrixIsOne) {
  for (const char* equation : {"bik,kn->bin", "ik, kn -> in", "...ik,kn->...in", "abij,jk->abik"}) {
    const ProductFit fit = FitOfEinsum(equation, {64, 5});
    EXPECT_EQ(fit.reason, "") << equation;
    EXPECT_FALSE(fit.transposed) << equation;
    EXPECT_EQ(fit.k, 64) << equation;
  }
  const ProductFit turned = FitOfEinsum("bik,nk->bin", {5, 64});
  EXPECT_EQ(turned.reason, "");
  EXPECT_TRUE(turned.transposed);
  EXPECT_EQ(turned.k, 64);
}

ProductFit FitOfConv(std::vector<std::int64_t> dims, const char* attribute = "",
                     std::vector<std::int64_t> numbers = {}) {
  onnx::NodeProto node;
  node.set_op_type("Conv");
  if (numbers.size() == 1) SetInt(node, attribute, numbers[0]);
  if (numbers.size() > 1) SetInts(node, attribute, numbers);
  WeightReading reading;
  reading.node = &node;
  reading.op = "Conv";
  reading.input = 1;
  reading.dims = std::move(dims);
  return FitChannelProduct(reading);
}

TEST(Product, AConvWhoseFiltersSeeOnePlaceIsOneOfChannels) {
  for (const ProductFit& fit :
       {FitOfConv({16, 8, 1, 1}), FitOfConv({16, 8, 1}), FitOfConv({16, 8, 1, 1}, "group", {1}),
        FitOfConv({16, 8, 1, 1}, "strides", {1, 1}), FitOfConv({16, 8, 1}, "pads", {0, 0}),
        FitOfConv({16, 8, 1, 1}, "dilations", {2, 2})}) {
    EXPECT_EQ(fit.reason, "");
    EXPECT_EQ(fit.k, 8);
    EXPECT_EQ(fit.n, 16);
    EXPECT_TRUE(fit.transposed);
  }
}

TEST(Product, AConvOfMoreThanThatIsNone) {
  for (const ProductFit& fit :
       {FitOfConv({16, 8, 1, 2}), FitOfConv({16, 8, 2}), FitOfConv({16, 8}),
        FitOfConv({16, 0, 1, 1}), FitOfConv({16, 8, 1, 1}, "group", {2}),
        FitOfConv({16, 8, 1, 1}, "strides", {1, 2}), FitOfConv({16, 8, 1}, "pads", {0, 1})}) {
    EXPECT_NE(fit.reason, "");
  }
}

TEST(Product, AnEinsumOfAnythingElseIsNone) {
  for (const char* equation :
       {"bki,kn->bin", "bik,kn->bni", "bik,kn->bi", "bik,kn->bikn", "bik,bn->bin", "bik,kk->bik",
        "bik,kn", "k,kn->n", "...k,kn->...n", "bik,ki->bi", "bbk,kn->bbn", "bik,kn,n->bin", "->",
        "", "...ik,kn->in", "bik,k.->bi.", "b...k,kn->b...n"}) {
    EXPECT_THAT(FitOfEinsum(equation, {64, 5}).reason, ::testing::HasSubstr("no product"))
        << equation;
  }
}

}  // namespace
}  // namespace onnxquant
