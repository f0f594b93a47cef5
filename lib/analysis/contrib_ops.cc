#include <cstddef>
#include <string>

#include "lib/analysis/op_traits.h"

namespace onnxquant {
namespace {

constexpr char kMs[] = "com.microsoft";

// From ONNX Runtime's operator schemas (docs/ContribOperators.md). Sorted by operator.
// SimplifiedLayerNormalization stands in ONNX's own domain, though ONNX does not define it.
constexpr ContribOp kContribOps[] = {
    {"", "SimplifiedLayerNormalization", "T", "TF"},
    {kMs, "Attention", "TTT-TT-", "T"},
    {kMs, "BiasAdd", "T", "T"},
    {kMs, "BiasGelu", "T", "T"},
    {kMs, "BiasSoftmax", "T", "T"},
    {kMs, "BiasSplitGelu", "T", "T"},
    {kMs, "DecoderMaskedMultiHeadAttention", "TTT-TTT---T", "T"},
    {kMs, "DequantizeLinear", "-T-", "T"},
    {kMs, "DynamicQuantizeLSTM", "F", "F"},
    {kMs, "DynamicQuantizeMatMul", "F-F-F", "F"},
    {kMs, "EmbedLayerNormalization", "--TTTTT-", "T-T"},
    {kMs, "FastGelu", "T", "T"},
    {kMs, "FusedConv", "T", "T"},
    {kMs, "FusedGemm", "T", "T"},
    {kMs, "FusedMatMul", "T", "T"},
    {kMs, "GatedRelativePositionBias", "TTTTTT-", "T"},
    {kMs, "GatherBlockQuantized", "--T-", "T"},
    {kMs, "Gelu", "T", "T"},
    {kMs, "GemmaRotaryEmbedding", "F", "T"},
    {kMs, "GroupNorm", "TFF", "T"},
    {kMs, "GroupQueryAttention", "TTTTT--TT-T", "T"},
    {kMs, "MatMulBnb4", "T-T", "T"},
    {kMs, "MatMulIntegerToFloat", "--TT--T", "T"},
    {kMs, "MatMulNBits", "T-TT-T", "T"},
    {kMs, "MoE", "T", "T"},
    {kMs, "MultiHeadAttention", "TTTT-TTT-", "T"},
    {kMs, "PackedAttention", "TTT--T", "T"},
    {kMs, "PackedMultiHeadAttention", "TTTT--T", "T"},
    {kMs, "QAttention", "--TT---T", "T"},
    {kMs, "QMoE", "TT-TT-TT-TT", "T"},
    {kMs, "QuantizeLinear", "TT-", "-"},
    {kMs, "QuickGelu", "T", "T"},
    {kMs, "RelativePositionBias", "T--", "T"},
    {kMs, "RemovePadding", "T-", "T---"},
    {kMs, "RestorePadding", "T-", "T"},
    {kMs, "RotaryEmbedding", "T-TT", "T"},
    {kMs, "SkipGroupNorm", "TFFT", "T"},
    {kMs, "SkipLayerNormalization", "T", "TFFT"},
    {kMs, "SkipSimplifiedLayerNormalization", "T", "TFFT"},
    {kMs, "SparseAttention", "TTTTT-----TT", "T"},
};

}  // namespace

const ContribOp* FindContribOp(const std::string& domain, const std::string& op) {
  const std::string wanted = IsOnnxDomain(domain) ? "" : domain;
  for (const ContribOp& row : kContribOps) {
    if (wanted == row.domain && op == row.op) return &row;
  }
  return nullptr;
}

}  // namespace onnxquant
