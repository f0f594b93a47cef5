#include "lib/targets/facts.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "lib/analysis/weight_uses.h"
#include "lib/targets/kernels.h"

namespace onnxquant {

std::int64_t NodeSight::Int(const char* attribute, std::int64_t fallback) const {
  return IntAttribute(*node_.proto, attribute, fallback);
}

std::string NodeSight::Text(const char* attribute) const {
  const onnx::AttributeProto* found = FindAttribute(*node_.proto, attribute);
  return found == nullptr ? "" : found->s();
}

bool NodeSight::Has(const char* attribute) const {
  return FindAttribute(*node_.proto, attribute) != nullptr;
}

bool NodeSight::Reads(int input) const {
  return input < InputCount() && node_.inputs[static_cast<std::size_t>(input)] != kNone;
}

ElementType NodeSight::InputType(int input) const {
  return Reads(input) ? types_[node_.inputs[static_cast<std::size_t>(input)]]
                      : ElementType::kUndefined;
}

ElementType NodeSight::OutputType(int output) const {
  const auto at = static_cast<std::size_t>(output);
  const bool there = at < node_.outputs.size() && node_.outputs[at] != kNone;
  return there ? types_[node_.outputs[at]] : ElementType::kUndefined;
}

std::vector<std::int64_t> NodeSight::ConstantDims(int input) const {
  if (!Reads(input)) return {};
  return ConstantShape(graph_, node_.inputs[static_cast<std::size_t>(input)])
      .value_or(std::vector<std::int64_t>{});
}

namespace {

constexpr int kZeroPoints = 3;  // of MatMulNBits and GatherBlockQuantized

bool IsFloat8(ElementType type) {
  return type == ElementType::kFloat8E4M3FN || type == ElementType::kFloat8E4M3FNUZ ||
         type == ElementType::kFloat8E5M2 || type == ElementType::kFloat8E5M2FNUZ;
}

bool ReadsFloat8(const NodeSight& node) {
  return IsFloat8(node.InputType(0));
}

bool CastsFloat8(const NodeSight& node) {
  return IsFloat8(node.InputType(0)) || IsFloat8(node.OutputType(0));
}

bool HasTwoBitsAndZeroPoints(const NodeSight& node) {
  return node.Int("bits", 4) == 2 && node.Reads(kZeroPoints);
}

bool HasTwoBits(const NodeSight& node) {
  return node.Int("bits", 4) == 2;
}

bool HasTwoBitsAndHalf(const NodeSight& node) {
  return HasTwoBits(node) && node.InputType(0) == ElementType::kFloat16;
}

bool SaysBits(const NodeSight& node) {
  return node.Has("bits");
}

bool HasOddBlocks(const NodeSight& node) {
  const std::vector<std::int64_t> scales = node.ConstantDims(2);
  return node.InputType(0) == ElementType::kUint8 && node.Int("bits", 4) == 4 &&
         node.Reads(kZeroPoints) && !scales.empty() && scales.back() % 2 != 0;
}

bool IsUnsigned(const NodeSight& node) {
  return node.InputType(0) == ElementType::kUint8 || node.InputType(1) == ElementType::kUint8;
}

bool IsFloat32(const NodeSight& node) {
  return node.InputType(0) == ElementType::kFloat;
}

bool IsNotSwiglu(const NodeSight& node) {
  return node.Text("activation_type") != "swiglu";
}

// Whether float inputs have another type than the first. (com.microsoft::GroupNorm asks for float32
// parameters beside a float16 input and is none of them.)
bool HasMixedInputs(const NodeSight& node) {
  const ElementType first = node.InputType(0);
  if (!IsFloat(first)) return false;
  for (int i = 1; i < node.InputCount(); ++i) {
    if (IsFloat(node.InputType(i)) && node.InputType(i) != first) return true;
  }
  return false;
}

constexpr char kTried[] = "models of one node, run on the versions of tests/targets";
constexpr char kTable[] = "com.microsoft::GatherBlockQuantized";
constexpr char kProduct[] = "com.microsoft::MatMulNBits";

constexpr char kMixed[] = "inputs of two float types";
constexpr char kOneType[] = "one float type for all inputs";
constexpr char kNormRemedy[] = "give the norm one type: match: {role: norm}, compute: float32";
constexpr char kShader[] = "Invalid ShaderModule";

constexpr char kInteger[] = "8-bit codes and activations that are quantized when it runs";
constexpr char kBlocks[] = "codes in blocks (int8, int4)";
constexpr char kBlocksRemedy[] = "weights: int8, which is MatMulNBits, or weights: float16";
constexpr char kFloatRemedy[] = "weights: float32 or float16";
constexpr char kNoKernel[] = "no kernel: the CPU runs it, with copies to and fro";

constexpr char kUnsigned[] = "8-bit activations or codes without a sign";
constexpr char kCodes[] = "weights in blocks of codes";
constexpr char kNotListed[] = "not listed: the CPU runs it, with copies to and fro";
constexpr char kCudaSource[] =
    "docs/OperatorKernels.md of ONNX Runtime's source, commit 001d12d2623f";
constexpr char kCoreMlSource[] =
    "coreml_supported_mlprogram_ops.md of ONNX Runtime's source, commit 04f568d869ec";

// An operator of codes that CoreML does not have: all that it is for would be lost.
constexpr Fact CoreMlFact(absl::string_view op, absl::string_view found) {
  return {"no_codes",
          kCoreMlKernels,
          {},
          {},
          op,
          Outcome::kMisplaced,
          nullptr,
          found,
          "float weights",
          kFloatRemedy,
          kNotListed,
          kCoreMlSource};
}

constexpr Fact CudaFact(absl::string_view op, bool (*when)(const NodeSight& node),
                        absl::string_view found, absl::string_view expected,
                        absl::string_view remedy) {
  return {"integer_operators", kCudaKernels, {},    {},       op,
          Outcome::kMisplaced, when,         found, expected, remedy,
          kNotListed,          kCudaSource};
}

constexpr Fact NormFact(absl::string_view op) {
  return {"mixed_norm",   kWebGpuKernels, {},       {},          op,      Outcome::kFails,
          HasMixedInputs, kMixed,         kOneType, kNormRemedy, kShader, kTried};
}

constexpr Fact IntegerFact(absl::string_view op, absl::string_view expected,
                           absl::string_view remedy) {
  return {"integer_operators", kWebGpuKernels, {},       {},       op,
          Outcome::kMisplaced, nullptr,        kInteger, expected, remedy,
          kNoKernel,           kTried};
}

constexpr Fact kFacts[] = {
    {"odd_blocks",
     kWebGpuKernels,
     {},
     {},
     kTable,
     Outcome::kFails,
     HasOddBlocks,
     "4-bit rows with zero points and an odd number of blocks",
     "an even number of blocks in a row",
     "say symmetric: true, another block, or 8 bits",
     "scales and zero_points must have the same shape",
     kTried},
    {"two_bit_zero_points",
     kWebGpuKernels,
     {},
     {1, 25},
     kProduct,
     Outcome::kFails,
     HasTwoBitsAndZeroPoints,
     "2-bit codes with zero points",
     "2-bit codes without zero points",
     "say symmetric: true, or take a newer release",
     "refuses them",
     "onnxruntime-node 1.24.3 and onnxruntime-web 1.25"},
    {"two_bit_rows",
     kWebGpuKernels,
     {},
     {1, 27},
     kTable,
     Outcome::kFails,
     HasTwoBits,
     "2-bit rows",
     "4- or 8-bit rows",
     "say int4 or int8, or take a newer release",
     "bits must be 4 or 8",
     "onnxruntime-web 1.26; 1.27 runs them"},
    {"two_bit_rows",
     kCpuKernels,
     {},
     {1, 25},
     kTable,
     Outcome::kFails,
     HasTwoBits,
     "2-bit rows",
     "4- or 8-bit rows",
     "say int4 or int8, or take a newer release",
     "an exception while the session starts",
     "onnxruntime 1.24.4; 1.30 runs them"},
    {"two_bit_half",
     kCpuKernels,
     {},
     {1, 25},
     kProduct,
     Outcome::kFails,
     HasTwoBitsAndHalf,
     "2-bit codes and float16 arithmetic",
     "float32 arithmetic",
     "say compute: float32, or take a newer release",
     "an exception while it runs",
     "onnxruntime 1.24.4; 1.30 runs them"},
    {"bits_attribute",
     kCpuKernels,
     {},
     {1, 22},
     kTable,
     Outcome::kFails,
     SaysBits,
     "the attribute 'bits'",
     "rows of the type int4 or uint4, without the attribute",
     "say weights: float16, or take a newer release",
     "Unrecognized attribute: bits",
     "onnxruntime 1.21"},
    {"bits_attribute",
     kWebGpuKernels,
     {},
     {1, 22},
     kTable,
     Outcome::kFails,
     SaysBits,
     "the attribute 'bits'",
     "rows of the type int4 or uint4, without the attribute",
     "say weights: float16, or take a newer release",
     "Unrecognized attribute: bits",
     "onnxruntime 1.21"},
    {"no_row_kernel",
     kAsyncifyKernels,
     {},
     {},
     kTable,
     Outcome::kMissing,
     nullptr,
     "an embedding's rows in blocks of codes",
     "rows that a plain Gather reads",
     "match: {role: embedding}, weights: plain_int8 (or float16)",
     "Could not find an implementation for GatherBlockQuantized",
     kTried},
    {"bnb4",
     kWebGpuKernels,
     {},
     {1, 30},
     "com.microsoft::MatMulBnb4",
     Outcome::kMisplaced,
     nullptr,
     "4-bit floats (nf4, fp4)",
     "codes in blocks (int4)",
     "say weights: int4",
     kNoKernel,
     kTried},
    {"qmoe_activation",
     kWebGpuKernels,
     {},
     {},
     "com.microsoft::QMoE",
     Outcome::kFails,
     IsNotSwiglu,
     "experts whose activation is not swiglu",
     "swiglu",
     "match: {op: 'com.microsoft::MoE'}, weights: float16",
     "only swiglu is supported for WebGPU",
     kTried},
    NormFact("LayerNormalization"),
    NormFact("SimplifiedLayerNormalization"),
    NormFact("RMSNormalization"),
    NormFact("InstanceNormalization"),
    NormFact("GroupNormalization"),
    NormFact("com.microsoft::SkipLayerNormalization"),
    NormFact("com.microsoft::SkipSimplifiedLayerNormalization"),
    IntegerFact("MatMulInteger", kBlocks, kBlocksRemedy),
    IntegerFact("ConvInteger", "float filters", kFloatRemedy),
    IntegerFact("com.microsoft::DynamicQuantizeLSTM", "float weights", kFloatRemedy),
    IntegerFact("com.microsoft::QAttention", "float weights", kFloatRemedy),
    {"integer_operators",
     kWebGpuKernels,
     {},
     {},
     "DynamicQuantizeLinear",
     Outcome::kMissing,
     nullptr,
     "activations that are quantized when it runs",
     "float activations",
     kBlocksRemedy,
     kNoKernel,
     kTried},
    CudaFact("MatMulInteger", IsUnsigned, kUnsigned, kBlocks, kBlocksRemedy),
    CudaFact("ConvInteger", nullptr, kInteger, "float filters", kFloatRemedy),
    CudaFact("com.microsoft::DynamicQuantizeLSTM", nullptr, kInteger, "float weights",
             kFloatRemedy),
    CudaFact("com.microsoft::QAttention", IsUnsigned, kUnsigned, "float weights", kFloatRemedy),
    {"integer_operators",
     kCudaKernels,
     {},
     {},
     "DynamicQuantizeLinear",
     Outcome::kMissing,
     nullptr,
     "activations that are quantized when it runs",
     "float activations",
     kBlocksRemedy,
     kNotListed,
     kCudaSource},
    {"float32_experts",
     kCudaKernels,
     {},
     {},
     "com.microsoft::QMoE",
     Outcome::kMisplaced,
     IsFloat32,
     "experts in codes that compute in float32",
     "float16 arithmetic",
     "match: {op: 'com.microsoft::MoE'}, compute: float16",
     kNotListed,
     kCudaSource},
    CoreMlFact(kProduct, kCodes),
    CoreMlFact(kTable, "an embedding's rows in blocks of codes"),
    CoreMlFact("com.microsoft::MatMulBnb4", "4-bit floats (nf4, fp4)"),
    CoreMlFact("com.microsoft::QMoE", "experts in codes"),
    CoreMlFact("MatMulInteger", kInteger),
    CoreMlFact("ConvInteger", kInteger),
    CoreMlFact("com.microsoft::DynamicQuantizeLSTM", kInteger),
    CoreMlFact("com.microsoft::QAttention", kInteger),
    {"no_codes",
     kCoreMlKernels,
     {},
     {},
     "DequantizeLinear",
     Outcome::kMissing,
     nullptr,
     "codes that are made floats when it runs",
     "float weights",
     kFloatRemedy,
     kNotListed,
     kCoreMlSource},
    {"float8",
     kWebGpuKernels,
     {},
     {},
     "DequantizeLinear",
     Outcome::kMissing,
     ReadsFloat8,
     "8-bit floats",
     "codes of integers",
     "say int8, or float16",
     kNoKernel,
     kTried},
    {"float8",
     kAsyncifyKernels,
     {},
     {},
     "DequantizeLinear",
     Outcome::kMissing,
     ReadsFloat8,
     "8-bit floats",
     "codes of integers",
     "say int8, or float16",
     "Could not find an implementation",
     kTried},
    {"float8",
     kAsyncifyKernels,
     {},
     {},
     "Cast",
     Outcome::kMissing,
     CastsFloat8,
     "8-bit floats",
     "codes of integers",
     "say int8, or float16",
     "Could not find an implementation",
     kTried},
};

}  // namespace

absl::Span<const Fact> Facts() {
  return kFacts;
}

}  // namespace onnxquant
