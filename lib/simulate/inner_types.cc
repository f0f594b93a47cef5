// What kernels round to float16 inside one node.
#include "lib/simulate/half_simulator.h"

namespace onnxquant {
namespace {

struct Sum {
  const char* op;
  const char* magnitude;  // an operator of the same form that gives the sum of what is added up
};
constexpr Sum kSums[] = {
    {"ReduceMean", "ReduceL1"},
    {"ReduceL2", "ReduceSumSquare"},
    {"ReduceSumSquare", "ReduceSumSquare"},
    {"ReduceL1", "ReduceL1"},
    {"GlobalAveragePool", "GlobalLpPool"},
};

void CopyAttribute(const onnx::NodeProto& from, const char* name, onnx::NodeProto& to) {
  if (const onnx::AttributeProto* attribute = FindAttribute(from, name)) {
    *to.add_attribute() = *attribute;
  }
}

}  // namespace

std::string HalfSimulator::Add(onnx::GraphProto& out, const char* op,
                               const std::vector<std::string>& inputs, const std::string& wanted) {
  onnx::NodeProto* node = out.add_node();
  node->set_op_type(op);
  for (const std::string& input : inputs) node->add_input(input);
  node->add_output(Unique(wanted));
  return node->output(0);
}

// The value as it is after a stay in float16.
std::string HalfSimulator::Rounded(onnx::GraphProto& out, const std::string& value) {
  const std::string half = Unique(value + "/float16");
  std::string wide = Unique(value + "/rounded");
  EmitCast(out, value, ElementType::kFloat16, half);
  EmitCast(out, half, ElementType::kFloat, wide);
  return wide;
}

void HalfSimulator::EmitWide(const onnx::NodeProto& node, onnx::GraphProto& out) {
  const std::string& op = node.op_type();
  // One that no runtime takes stays as it is, for the runtime to say so.
  const auto has = [&node](int inputs) {
    return node.input_size() >= inputs && node.output_size() > 0 && !node.output(0).empty();
  };
  if (op == "SkipLayerNormalization" || op == "SkipSimplifiedLayerNormalization") {
    if (has(3)) return EmitSkipNorm(node, out);
  }
  for (const Sum& sum : kSums) {
    if (op == sum.op && has(1)) return EmitSum(node, sum.magnitude, out);
  }
  *out.add_node() = node;
}

// Inputs: input, skip, gamma, beta (not in the simplified form), bias. Outputs: the normalized sum,
// mean, inverse deviation, the sum. Follows the operators' page in ONNX Runtime's documentation.
void HalfSimulator::EmitSkipNorm(const onnx::NodeProto& node, onnx::GraphProto& out) {
  const bool simplified = node.op_type() == "SkipSimplifiedLayerNormalization";
  const int bias = simplified ? 3 : 4;
  const auto has = [](const auto& names, int i) { return i < names.size() && !names[i].empty(); };
  const std::string& name = node.output(0);
  std::string sum = Add(out, "Add", {node.input(0), node.input(1)}, name + "/sum");
  sum = Rounded(out, sum);
  if (has(node.input(), bias)) {
    sum = Rounded(out, Add(out, "Add", {sum, node.input(bias)}, name + "/biased"));
  }
  onnx::NodeProto* norm = out.add_node();
  norm->set_op_type(simplified ? "SimplifiedLayerNormalization" : "LayerNormalization");
  norm->add_input(sum);
  norm->add_input(node.input(2));
  if (!simplified && has(node.input(), 3)) norm->add_input(node.input(3));
  norm->add_output(node.output(0));
  CopyAttribute(node, "epsilon", *norm);
  if (has(node.output(), 3)) {
    onnx::NodeProto* copy = out.add_node();
    copy->set_op_type("Identity");
    copy->add_input(sum);
    copy->add_output(node.output(3));
  }
}

// Where the sum does not fit float16, it is the result.
void HalfSimulator::EmitSum(const onnx::NodeProto& node, const char* magnitude,
                            onnx::GraphProto& out) {
  const std::string& result = node.output(0);
  onnx::NodeProto total = node;
  total.clear_name();
  total.set_op_type(magnitude);
  total.set_output(0, Unique(result + "/total"));
  if (total.op_type() == "GlobalLpPool") {
    onnx::AttributeProto* p = total.add_attribute();
    p->set_name("p");
    p->set_type(onnx::AttributeProto::INT);
    p->set_i(1);
  }
  *out.add_node() = total;
  const std::string sum = Rounded(out, total.output(0));
  const std::string lost = Add(out, "IsInf", {sum}, result + "/lost");
  onnx::NodeProto exact = node;
  exact.set_output(0, Unique(result + "/kept"));
  *out.add_node() = exact;
  onnx::NodeProto* chosen = out.add_node();
  chosen->set_op_type("Where");
  for (const std::string& input : {lost, sum, exact.output(0)}) chosen->add_input(input);
  chosen->add_output(result);
}

}  // namespace onnxquant
