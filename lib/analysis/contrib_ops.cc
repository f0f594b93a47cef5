#include <cstddef>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/op_traits.h"

namespace onnxquant {
namespace {

constexpr char kMs[] = "com.microsoft";

// Sorted by operator. From ONNX Runtime's operator schemas (docs/ContribOperators.md), so:
// - An input that admits float16 is T, or H if bfloat16 is not admitted with it; also where it has
//   a type variable of its own, because kernels want them to agree. One that admits float32 but not
//   float16 is F, also where it admits float64.
// - An output is T or H where an input is, F where it can be nothing but float32, else -: an
//   attribute or the other inputs say what it is, and what declares it is believed.
// - Operators that hold bodies (BeamSearch ...) have no T or H: their bodies stay as they are.
// The rows below that admit less than their schema, as their kernels do:
// - EPContext holds a graph compiled for the types that it has; GemmFloat8's inputs do not share a
//   type; IsAllFinite asks about the values as they are.
// - GroupNorm, SkipGroupNorm: the kernels take gamma and beta in float32 only.
// - Irfft, Rfft: cuFFT transforms float16 only in sizes that are powers of two.
// And one that says more: every kernel of SimplifiedLayerNormalization gives the inverse deviation
// in float32. (It stands in ONNX's own domain, though ONNX does not define it.)
constexpr ContribOp kContribOps[] = {
    {kMs, "Attention", "TTT-TT-", "T"},
    {kMs, "AttnLSTM", "FFFF-FFFFFFF-F", "-"},
    {kMs, "BeamSearch", "F----FF-", "-"},
    {kMs, "BiasAdd", "H", "H"},
    {kMs, "BiasDropout", "TTTT-", "T-"},
    {kMs, "BiasGelu", "T", "T"},
    {kMs, "BiasSoftmax", "H", "H"},
    {kMs, "BiasSplitGelu", "H", "H"},
    {kMs, "BifurcationDetector", "-", "-"},
    {kMs, "BitmaskBiasDropout", "TTTT-", "T-"},
    {kMs, "BitmaskDropout", "TT-", "T-"},
    {kMs, "CDist", "F", "-"},
    {kMs, "CausalConvWithState", "T", "T"},
    {kMs, "ComplexMul", "H", "H"},
    {kMs, "ComplexMulConj", "H", "H"},
    {kMs, "ConvTransposeWithDynamicPads", "HH-H", "H"},
    {kMs, "CropAndResize", "HH-", "H"},
    {kMs, "DecoderAttention", "HHHHH-HH-", "H"},
    {kMs, "DecoderMaskedMultiHeadAttention", "HHH-HHH---H", "H"},
    {kMs, "DecoderMaskedSelfAttention", "HHH-HH-", "H"},
    {kMs, "DequantizeBFP", "-", "-"},
    {kMs, "DequantizeLinear", "-H-", "H"},
    {kMs, "DequantizeWithOrder", "-F", "-"},
    {kMs, "DynamicQuantizeLSTM", "F--F-FFFF-F-", "F"},
    {kMs, "DynamicQuantizeMatMul", "F-F-F", "F"},
    {kMs, "DynamicTimeWarping", "F", "-"},
    {kMs, "EPContext", "F", "-"},
    {kMs, "EmbedLayerNormalization", "--HHHHH-", "H-H"},
    {kMs, "EngramGate", "T", "T"},
    {kMs, "ExpandDims", "H-", "H"},
    {kMs, "FastGelu", "T", "T"},
    {kMs, "FusedConv", "H", "H"},
    {kMs, "FusedGemm", "H", "H"},
    {kMs, "FusedMatMul", "T", "T"},
    {kMs, "FusedMatMulActivation", "T", "T"},
    {kMs, "GatedAdd", "T", "T"},
    {kMs, "GatedDeltaNet", "TTT-FFFFF-", "TF"},
    {kMs, "GatedRMSNorm", "T", "T"},
    {kMs, "GatedRelativePositionBias", "HHHHHH-", "H"},
    {kMs, "GatherBlockQuantized", "--T-", "T"},
    {kMs, "GatherND", "H-", "H"},
    {kMs, "Gelu", "T", "T"},
    {kMs, "GemmFastGelu", "T", "T"},
    {kMs, "GemmFloat8", "F", "-"},
    {kMs, "GemmaRotaryEmbedding", "FH", "H"},
    {kMs, "GreedySearch", "---F-", "-"},
    {kMs, "GridSample", "H", "H"},
    {kMs, "GroupNorm", "HFF", "H"},
    {kMs, "GroupQueryAttention", "TTTTT--TT-TTFFT", "T"},
    {kMs, "Inverse", "H", "H"},
    {kMs, "Irfft", "F", "-"},
    {kMs, "IsAllFinite", "F", "-"},
    {kMs, "LinearAttention", "T", "T"},
    {kMs, "LinearAttentionGate", "TFFT", "T"},
    {kMs, "LongformerAttention", "HHHHHH-", "H"},
    {kMs, "MRotaryEmbedding", "T-T", "T"},
    {kMs, "MatMulBlockQuantizedFp4Weight", "T--FFT", "T"},
    {kMs, "MatMulBlockQuantizedFp8Weight", "T-FFT", "T"},
    {kMs, "MatMulBnb4", "T-T", "T"},
    {kMs, "MatMulFpQ4", "F-", "F"},
    {kMs, "MatMulInteger16", "-", "-"},
    {kMs, "MatMulIntegerToFloat", "--HH--H", "H"},
    {kMs, "MatMulNBits", "T-TT-T", "T"},
    {kMs, "MatMulNBitsMlp", "TTT-TT-T", "T"},
    {kMs, "MatMulNBitsQkv", "TTT-TT-TT-T", "T"},
    {kMs, "MaxpoolWithMask", "F-", "F"},
    {kMs, "MoE", "T", "T"},
    {kMs, "MulInteger", "-", "-"},
    {kMs, "MultiHeadAttention", "TTTT-TTT-", "T"},
    {kMs, "MurmurHash3", "F", "-"},
    {kMs, "NGramHashMapping", "-", "-"},
    {kMs, "NGramRepeatBlock", "-F", "F"},
    {kMs, "NhwcConv", "H", "H"},
    {kMs, "NhwcFusedConv", "H", "H"},
    {kMs, "NhwcMaxPool", "-", "-"},
    {kMs, "PackedAttention", "HHH--H", "H"},
    {kMs, "PackedMultiHeadAttention", "HHHH--H", "H"},
    {kMs, "Pad", "H-H", "H"},
    {kMs, "PagedAttention", "TTTTT---TT-TTTFF-", "T"},
    {kMs, "QAttention", "--HHH---H", "H"},
    {kMs, "QEmbedLayerNormalization", "--------FFFFF-", "F-"},
    {kMs, "QGemm", "-F--F--F-", "-"},
    {kMs, "QLinearAdd", "-F--F-F-", "-"},
    {kMs, "QLinearAveragePool", "-F-F-", "-"},
    {kMs, "QLinearConcat", "F-F", "-"},
    {kMs, "QLinearConv", "-F--F-F-", "-"},
    {kMs, "QLinearGlobalAveragePool", "-F-F-", "-"},
    {kMs, "QLinearLeakyRelu", "-F-F-", "-"},
    {kMs, "QLinearMul", "-F--F-F-", "-"},
    {kMs, "QLinearReduceMean", "-F-F-", "-"},
    {kMs, "QLinearSigmoid", "-F-F-", "-"},
    {kMs, "QLinearSoftmax", "-F-F-", "-"},
    {kMs, "QLinearWhere", "--F--F-F-", "-"},
    {kMs, "QMoE", "TT-TT-TT-TT---TFFFFT", "T"},
    {kMs, "QOrderedAttention", "-FFFF---FFFFFFFFF--F", "-"},
    {kMs, "QOrderedGelu", "-F", "-"},
    {kMs, "QOrderedLayerNormalization", "-FHHF", "-"},
    {kMs, "QOrderedLongformerAttention", "-F-FFFFH-FFF-F", "-"},
    {kMs, "QOrderedMatMul", "-F-FFF-F", "-"},
    {kMs, "QuantizeBFP", "T", "-"},
    {kMs, "QuantizeLinear", "HH-", "-"},
    {kMs, "QuantizeWithOrder", "HF", "-"},
    {kMs, "QuickGelu", "T", "T"},
    {kMs, "Range", "F", "-"},
    {kMs, "ReduceSumInteger", "-", "-"},
    {kMs, "RelativePositionBias", "H-", "H"},
    {kMs, "RemovePadding", "H-", "H-"},
    {kMs, "RestorePadding", "H-", "H"},
    {kMs, "Rfft", "F", "-"},
    {kMs, "RotaryEmbedding", "T-T", "T"},
    {kMs, "SampleOp", "H", "H"},
    {kMs, "Sampling", "---F-", "-F"},
    {"", "SimplifiedLayerNormalization", "T", "TF"},
    {kMs, "SkipGroupNorm", "HFFH", "H"},
    {kMs, "SkipLayerNormalization", "T", "TFFT"},
    {kMs, "SkipSimplifiedLayerNormalization", "T", "TFFT"},
    {kMs, "Snpe", "F", "-"},
    {kMs, "SparseAttention", "TTTTT----T", "T"},
    {kMs, "SparseToDenseMatMul", "-F", "-"},
    {kMs, "Tokenizer", "-", "-"},
    {kMs, "TorchEmbedding", "T-", "T"},
    {kMs, "TransposeMatMul", "T", "T"},
    {kMs, "Trilu", "T-", "T"},
    {kMs, "UnfoldTensor", "T", "T"},
    {kMs, "Unique", "H", "H-"},
    {kMs, "VarlenCausalConvWithState", "TT-TT-", "T"},
    {kMs, "WhisperBeamSearch", "F----FF-------F", "---F-"},
    {kMs, "WordConvEmbedding", "-F", "F"},
};

}  // namespace

const ContribOp* FindContribOp(const std::string& domain, const std::string& op) {
  using Rows =
      absl::flat_hash_map<std::pair<absl::string_view, absl::string_view>, const ContribOp*>;
  static const auto& rows = *new Rows([] {
    Rows made;
    for (const ContribOp& row : kContribOps) made.try_emplace({row.domain, row.op}, &row);
    return made;
  }());
  const auto found = rows.find({IsOnnxDomain(domain) ? absl::string_view() : domain, op});
  return found == rows.end() ? nullptr : found->second;
}

}  // namespace onnxquant
