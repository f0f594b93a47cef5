// com.microsoft MatMulBnb4: 4-bit floats in blocks of the flattened [N,K], as bitsandbytes has
// them.
#include <cstddef>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/formats/format.h"
#include "lib/formats/product.h"
#include "lib/kernels/bnb4_quantize.h"

namespace onnxquant {
namespace {

constexpr FormatWord kWords[] = {
    {.word = "nf4", .bits = 4, .block = 64},
    {.word = "fp4", .bits = 4, .block = 64},
};
constexpr Parameter kParameters[] = {Parameter::kBlock};

kernels::Bnb4Format KernelFormat(const Stored& stored) {
  kernels::Bnb4Format format;
  format.type = stored.format.word == "nf4" ? kernels::Bnb4Type::kNf4 : kernels::Bnb4Type::kFp4;
  format.block = static_cast<std::size_t>(stored.format.block);
  format.scale = stored.scale == ElementType::kFloat ? kernels::ScaleType::kFloat32
                                                     : kernels::ScaleType::kFloat16;
  return format;
}

class Bnb4Codec : public Codec {
 public:
  Bnb4Codec(const Stored& stored, const CodecContext& context)
      : stored_(stored),
        context_(context),
        format_(KernelFormat(stored)),
        k_(static_cast<std::uint64_t>(stored.k)),
        scale_bytes_(stored.scale == ElementType::kFloat ? 4 : 2) {}

  Cut Wanted() const override {
    Cut cut;
    cut.rows = static_cast<std::uint64_t>(stored_.transposed ? stored_.n : stored_.k);
    cut.columns = static_cast<std::uint64_t>(stored_.transposed ? stored_.k : stored_.n);
    const std::uint64_t block = format_.block;
    // So many n after which the flattened weight is at a block's start; K then stays whole.
    const std::uint64_t step = block / std::gcd(block, k_);
    const bool divides = k_ % block == 0;
    if (stored_.transposed) {
      cut.row_multiple = step;
      cut.column_multiple = divides ? block : k_;
    } else {
      cut.row_multiple = divides ? block : k_;
      cut.column_multiple = step;
    }
    return cut;
  }

  absl::Status Write(const Tile& tile) override {
    const std::uint64_t n = stored_.transposed ? tile.rows : tile.columns;
    const std::uint64_t first_n = stored_.transposed ? tile.first_row : tile.first_column;
    const std::uint64_t k = stored_.transposed ? tile.columns : tile.rows;
    const std::uint64_t first_k = stored_.transposed ? tile.first_column : tile.first_row;
    if (n == 0 || k == 0) return absl::OkStatus();
    if (stored_.transposed && k == k_) return WriteRun(first_n * k_, tile.floats);
    if (stored_.transposed) {
      for (std::uint64_t row = 0; row < n; ++row) {
        ONNXQUANT_RETURN_IF_ERROR(
            WriteRun((first_n + row) * k_ + first_k, tile.floats.subspan(row * k, k)));
      }
      return absl::OkStatus();
    }
    std::vector<float> turned(tile.floats.size());
    kernels::TransposeRows(tile.floats, k, n, absl::MakeSpan(turned));
    if (k == k_) return WriteRun(first_n * k_, turned);
    for (std::uint64_t column = 0; column < n; ++column) {
      ONNXQUANT_RETURN_IF_ERROR(WriteRun((first_n + column) * k_ + first_k,
                                         absl::MakeConstSpan(turned).subspan(column * k, k)));
    }
    return absl::OkStatus();
  }

 private:
  // A run of the flattened [N,K] from value `first` on, which a block begins with.
  absl::Status WriteRun(std::uint64_t first, absl::Span<const float> values) const {
    const kernels::Bnb4Sizes sizes = kernels::Bnb4SizesOf(format_, values.size());
    const bool half = format_.scale == kernels::ScaleType::kFloat16;
    std::vector<std::uint8_t> codes(sizes.data_bytes);
    std::vector<float> absmax_f32(half ? 0 : sizes.absmax_count);
    std::vector<std::uint16_t> absmax_f16(half ? sizes.absmax_count : 0);
    kernels::QuantizeBnb4(
        format_, values,
        {absl::MakeSpan(codes), absl::MakeSpan(absmax_f32), absl::MakeSpan(absmax_f16)});
    for (const std::uint16_t bits : absmax_f16) {
      if ((bits & 0x7c00U) != 0x7c00U) continue;
      return ModelError(context_.account->what(),
                        ": some of its values lie beyond float16, in which its blocks' largest are "
                        "stored; keep it in float32 with a rule (compute: float32, weights: "
                        "float32)");
    }
    ONNXQUANT_RETURN_IF_ERROR(context_.sink.Write(0, first / 2, AsBytes(codes)));
    return context_.sink.Write(1, first / format_.block * scale_bytes_,
                               half ? AsBytes(absmax_f16) : AsBytes(absmax_f32));
  }

  Stored stored_;
  CodecContext context_;
  kernels::Bnb4Format format_;
  std::uint64_t k_;
  std::uint64_t scale_bytes_;
};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const ProductFit product = FitProduct(reading);
  if (!product.reason.empty()) {
    fit.reason = product.reason;
  } else if (reading.compute != ElementType::kFloat && reading.compute != ElementType::kFloat16) {
    fit.reason = absl::StrCat("its ", reading.op, " computes in ", NameOf(reading.compute),
                              "; 4-bit floats are read in float32 and float16");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = product.transposed;
    fit.stored.k = product.k;
    fit.stored.n = product.n;
    fit.stored.scale = reading.compute;
  }
  return fit;
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  const std::int64_t count = stored.k * stored.n;
  const std::int64_t blocks = (count + stored.format.block - 1) / stored.format.block;
  return {{"_Bnb4", ElementType::kUint8, {(count + 1) / 2}}, {"_absmax", stored.scale, {blocks}}};
}

std::unique_ptr<Codec> MakeCodec(const Stored& stored, const CodecContext& context) {
  return std::make_unique<Bnb4Codec>(stored, context);
}

// Attributes and names follow ONNX Runtime's MatMulBnb4Quantizer.
void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const Product product = BeginProduct(node, "_Bnb4", sink);
  onnx::NodeProto& multiplies = ProductNode(product, node, sink);
  multiplies.set_op_type("MatMulBnb4");
  multiplies.set_domain("com.microsoft");
  multiplies.add_input(product.a);
  for (const std::string& name : names) multiplies.add_input(name);
  SetInt(multiplies, "K", stored.k);
  SetInt(multiplies, "N", stored.n);
  SetInt(multiplies, "block_size", stored.format.block);
  SetInt(multiplies, "quant_type", static_cast<std::int64_t>(KernelFormat(stored).type));
  sink.RequireOpset("com.microsoft", 1);
  EndProduct(product, stored.scale, node, sink);
}

}  // namespace

extern const Format kBnb4;
constinit const Format kBnb4 = {
    .name = "bnb4",
    .words = kWords,
    .parameters = kParameters,
    .operators = kProducts,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeCodec,
    .read = Read,
    .runs = "CPU, WebAssembly, CUDA; WebGPU from ONNX Runtime 1.30 on",
    .about = "com.microsoft MatMulBnb4: 4-bit floats as bitsandbytes has them",
};

}  // namespace onnxquant
