#include "lib/model/function_calls.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

onnx::NodeProto* Add(google::protobuf::RepeatedPtrField<onnx::NodeProto>* nodes, const char* domain,
                     const std::string& op) {
  onnx::NodeProto* node = nodes->Add();
  node->set_domain(domain);
  node->set_op_type(op);
  return node;
}

// A main graph that calls function 0, and `functions` of which each calls the next `times` times.
onnx::ModelProto Tower(int functions, int times) {
  onnx::ModelProto model;
  Add(model.mutable_graph()->mutable_node(), "mine", "f0");
  for (int i = 0; i < functions; ++i) {
    onnx::FunctionProto* function = model.add_functions();
    function->set_domain("mine");
    function->set_name(absl::StrCat("f", i));
    for (int k = 0; k < times; ++k) {
      const bool last = i + 1 == functions;
      Add(function->mutable_node(), last ? "" : "mine", last ? "Relu" : absl::StrCat("f", i + 1));
    }
  }
  return model;
}

std::string Refusal(const onnx::ModelProto& model) {
  const absl::Status status = CheckCalls(model, "m.onnx");
  if (status.ok()) return "accepted";
  EXPECT_EQ(KindOf(status), ErrorKind::kModel);
  return std::string(status.message());
}

TEST(FunctionCalls, TakesWhatRealModelsHave) {
  EXPECT_EQ(Refusal(onnx::ModelProto()), "accepted");
  EXPECT_EQ(Refusal(Tower(5, 10)), "accepted");
  EXPECT_EQ(Refusal(Tower(limits::kCallDepth, 1)), "accepted");
}

TEST(FunctionCalls, CountsNodesWithoutMakingThem) {
  EXPECT_THAT(Refusal(Tower(7, 10)),
              AllOf(HasSubstr("m.onnx: the local function 'f0'"), HasSubstr("has 10000000 nodes"),
                    HasSubstr("at most 1048576")));
  // Saturated, not overflown: the first that passes the bound is named.
  EXPECT_THAT(Refusal(Tower(60, 60)), HasSubstr("the local function 'f56'"));
  EXPECT_THAT(Refusal(Tower(3, 100'000)), HasSubstr("has billions of nodes"));
}

TEST(FunctionCalls, RefusesALongChainOfCallsHoweverLong) {
  EXPECT_THAT(Refusal(Tower(limits::kCallDepth + 1, 1)),
              HasSubstr("the main graph, with what it calls put in place of the calls, leads "
                        "through more functions"));
  EXPECT_THAT(Refusal(Tower(100'000, 1)), HasSubstr("leads through more functions"));
}

TEST(FunctionCalls, FindsACycleBehindALongChain) {
  onnx::ModelProto model = Tower(50, 1);
  Add(model.mutable_functions(49)->mutable_node(), "mine", "f20");
  EXPECT_THAT(Refusal(model), HasSubstr("'f20' comes to call itself"));
}

TEST(FunctionCalls, CountsBodiesThatCallsPutIntoOneAnother) {
  onnx::ModelProto model = Tower(limits::kNestedBodies + 1, 1);
  for (onnx::FunctionProto& function : *model.mutable_functions()) {
    const onnx::NodeProto call = function.node(0);
    onnx::NodeProto* branch = function.mutable_node(0);
    *branch = onnx::NodeProto();
    branch->set_op_type("If");
    *branch->add_attribute()->mutable_g()->add_node() = call;
  }
  EXPECT_THAT(Refusal(model), HasSubstr("nests 31 bodies in one another"));
  model.mutable_graph()->mutable_node(0)->set_op_type("f1");
  model.mutable_functions()->DeleteSubrange(0, 1);
  EXPECT_EQ(Refusal(model), "accepted");
}

TEST(FunctionCalls, CountsTheBytesThatCallsRepeat) {
  onnx::ModelProto model = Tower(2, 300);
  model.mutable_functions(1)->mutable_node(0)->add_attribute()->mutable_t()->set_raw_data(
      std::string(1 << 20, 'x'));
  EXPECT_THAT(Refusal(model), HasSubstr("beyond the 1050988 that all nodes take"));
  model.mutable_functions(0)->mutable_node()->DeleteSubrange(1, 299);
  EXPECT_EQ(Refusal(model), "accepted");
}

TEST(FunctionCalls, CountsAnAttributeThatOneCallHandsToManyPlaces) {
  onnx::ModelProto model = Tower(2, 20);
  for (onnx::FunctionProto& function : *model.mutable_functions()) {
    for (onnx::NodeProto& node : *function.mutable_node()) {
      onnx::AttributeProto* attribute = node.add_attribute();
      attribute->set_name("value");
      attribute->set_ref_attr_name("value");
    }
  }
  EXPECT_EQ(Refusal(model), "accepted");
  model.mutable_graph()->mutable_node(0)->add_attribute()->mutable_t()->set_raw_data(
      std::string(1 << 20, 'x'));
  EXPECT_THAT(Refusal(model), HasSubstr("the main graph"));
}

}  // namespace
}  // namespace onnxquant
