// 8-bit floats with a scale: a Cast and a Mul before readers that stay as they are, which ONNX
// Runtime folds when it loads them, for any processor.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/formats/format.h"
#include "lib/formats/operand.h"
#include "lib/kernels/float8.h"
#include "lib/kernels/half.h"
#include "lib/kernels/integer_quantize.h"

namespace onnxquant {
namespace {

constexpr FormatWord kWords[] = {
    {.word = "float8_e4m3", .bits = 8, .is_signed = true, .per_channel = true, .block = 0},
    {.word = "float8_e5m2", .bits = 8, .is_signed = true, .per_channel = true, .block = 0},
};
constexpr Parameter kParameters[] = {Parameter::kPerChannel};
constexpr absl::string_view kOperators[] = {"MatMul", "Gemm",          "Einsum",
                                            "Conv",   "ConvTranspose", "Gather"};
constexpr absl::string_view kOthers[] = {kAnyOperator};

// What the largest magnitude that shares a scale becomes: E4M3FN's largest. E5M2 goes on to 57344,
// but a scale for that would soon lie below float16's normal numbers.
constexpr float kLargest = 448;
constexpr float kSmallestHalf = 0x1p-24F;

kernels::Float8Type TypeOf(const Stored& stored) {
  return stored.format.word == "float8_e4m3" ? kernels::Float8Type::kE4M3FN
                                             : kernels::Float8Type::kE5M2;
}

class Float8Codec : public Codec {
 public:
  Float8Codec(const Stored& stored, const CodecContext& context)
      : stored_(stored),
        context_(context),
        rows_(static_cast<std::uint64_t>(stored.transposed ? stored.n : stored.k)),
        columns_(static_cast<std::uint64_t>(stored.transposed ? stored.k : stored.n)),
        of_rows_(stored.format.per_channel && stored.transposed) {
    const std::size_t count =
        stored.format.per_channel
            ? static_cast<std::size_t>(stored.dims[static_cast<std::size_t>(stored.axis)])
            : 1;
    ranges_.resize(count);
    shared_ = of_rows_ ? 1 : columns_ / count;
  }

  Cut Wanted() const override {
    Cut cut;
    cut.rows = rows_;
    cut.columns = columns_;
    return cut;
  }

  bool Observes() const override { return true; }

  absl::Status Observe(const Tile& tile) override {
    std::vector<kernels::ValueRange> own(of_rows_ ? tile.rows : tile.columns);
    if (of_rows_) {
      for (std::uint64_t row = 0; row < tile.rows; ++row) {
        kernels::ExtendRange(tile.floats.subspan(row * tile.columns, tile.columns), own[row]);
      }
    } else {
      kernels::ExtendColumnRanges(tile.floats, absl::MakeSpan(own));
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::uint64_t first = of_rows_ ? tile.first_row : tile.first_column;
    for (std::size_t i = 0; i < own.size(); ++i) ranges_[(first + i) / shared_].Merge(own[i]);
    return absl::OkStatus();
  }

  absl::Status Write(const Tile& tile) override {
    ONNXQUANT_RETURN_IF_ERROR(DeriveScales());
    std::vector<float> scaled(tile.floats.size());
    std::vector<float> of_columns(of_rows_ ? 0 : tile.columns);
    for (std::uint64_t i = 0; i < of_columns.size(); ++i) {
      of_columns[i] = scales_[(tile.first_column + i) / shared_];
    }
    for (std::uint64_t row = 0; row < tile.rows; ++row) {
      const float* from = tile.floats.data() + row * tile.columns;
      float* to = scaled.data() + row * tile.columns;
      if (of_rows_) {
        const float scale = scales_[tile.first_row + row];
        for (std::uint64_t i = 0; i < tile.columns; ++i) to[i] = from[i] / scale;
      } else {
        for (std::uint64_t i = 0; i < tile.columns; ++i) to[i] = from[i] / of_columns[i];
      }
    }
    std::vector<std::uint8_t> codes(scaled.size());
    kernels::FloatToFloat8(TypeOf(stored_), scaled, absl::MakeSpan(codes));
    return WriteElements(context_.sink, tiling(), tile, 1, AsBytes(codes));
  }

  absl::Status Finish() override {
    ONNXQUANT_RETURN_IF_ERROR(DeriveScales());
    if (stored_.scale == ElementType::kFloat) return context_.sink.Write(1, 0, AsBytes(scales_));
    std::vector<std::uint16_t> halves(scales_.size());
    kernels::FloatToHalf(scales_, absl::MakeSpan(halves), kernels::OverflowMode::kInfinity);
    return context_.sink.Write(1, 0, AsBytes(halves));
  }

 private:
  // Once, when all tiles have been seen: as they are stored, widened.
  absl::Status DeriveScales() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!scales_.empty()) return absl::OkStatus();
    std::vector<float> scales;
    for (const kernels::ValueRange& range : ranges_) {
      const float largest = std::max(std::fabs(range.lo), std::fabs(range.hi));
      if (!std::isfinite(largest) || std::isnan(range.lo)) {
        return ModelError(context_.account->what(), ": its values range from ", range.lo, " to ",
                          range.hi,
                          ", which no scale of 8-bit floats can carry; keep it in float32 with a "
                          "rule (weights: float32)");
      }
      const float scale = largest / kLargest;
      scales.push_back(scale == 0 ? 1 : scale);
    }
    if (stored_.scale == ElementType::kFloat16) {
      std::vector<std::uint16_t> halves(scales.size());
      for (float& scale : scales) scale = std::max(scale, kSmallestHalf);
      kernels::FloatToHalf(scales, absl::MakeSpan(halves), kernels::OverflowMode::kInfinity);
      ONNXQUANT_RETURN_IF_ERROR(
          CheckHalfScales(halves, static_cast<int>(kLargest), context_.account->what()));
      kernels::HalfToFloat(halves, absl::MakeSpan(scales));
    }
    scales_ = std::move(scales);
    return absl::OkStatus();
  }

  Stored stored_;
  CodecContext context_;
  std::uint64_t rows_;
  std::uint64_t columns_;
  bool of_rows_;              // a row has a scale of its own
  std::uint64_t shared_ = 1;  // else: columns that share one
  std::mutex mutex_;
  std::vector<kernels::ValueRange> ranges_;
  std::vector<float> scales_;  // once all tiles have been seen
};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const OperandFit operand = FitOperand(reading);
  const ElementType compute = reading.op == "Gather" ? reading.scale : reading.compute;
  if (!operand.reason.empty()) {
    fit.reason = operand.reason;
  } else if (compute != ElementType::kFloat && compute != ElementType::kFloat16) {
    fit.reason = absl::StrCat("its ", reading.op, " computes in ", NameOf(compute),
                              "; 8-bit floats have scales in float32 and float16");
  } else if (!form.by_rule && reading.input != (reading.op == "Gather" ? 0 : 1)) {
    fit.reason = absl::StrCat("only a rule that names it has a ", reading.op, " read ", format.word,
                              " as its operand ", reading.input + 1);
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = operand.transposed;
    fit.stored.k = operand.k;
    fit.stored.n = operand.n;
    fit.stored.scale = compute;
    fit.stored.dims = reading.dims;
    if (format.per_channel) fit.stored.axis = operand.channel_axis;
  }
  return fit;
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  std::vector<std::int64_t> scales;
  if (stored.format.per_channel) {  // as they are multiplied with the codes
    const auto axis = static_cast<std::size_t>(stored.axis);
    scales.assign(stored.dims.size() - axis, 1);
    scales[0] = stored.dims[axis];
  }
  const bool e4m3 = TypeOf(stored) == kernels::Float8Type::kE4M3FN;
  return {{e4m3 ? "_E4M3" : "_E5M2", e4m3 ? ElementType::kFloat8E4M3FN : ElementType::kFloat8E5M2,
           stored.dims},
          {"_scale", stored.scale, scales}};
}

std::unique_ptr<Codec> MakeCodec(const Stored& stored, const CodecContext& context) {
  return std::make_unique<Float8Codec>(stored, context);
}

void Read(const Stored& stored, absl::Span<const std::string> names, int input,
          onnx::NodeProto& node, NodeSink& sink) {
  std::string floats = sink.Once(absl::StrCat("floats of ", names[0]), [&]() {
    const std::string wide = sink.UniqueValue(absl::StrCat(names[0], "_cast"));
    onnx::NodeProto cast =
        MakeNode("Cast", sink.UniqueNode(absl::StrCat(wide, "/Cast")), {names[0]}, {wide});
    SetInt(cast, "to", static_cast<int>(stored.scale));
    sink.AddNode() = std::move(cast);
    std::string value = sink.UniqueValue(absl::StrCat(names[0], "_scaled"));
    sink.AddNode() =
        MakeNode("Mul", sink.UniqueNode(absl::StrCat(value, "/Mul")), {wide, names[1]}, {value});
    return value;
  });
  if (SeesSwapped(stored, node, input)) floats = Swapped(floats, sink);
  node.set_input(input, floats);
}

constexpr Format Row() {
  return {
      .name = "float8",
      .words = kWords,
      .parameters = kParameters,
      .operators = kOperators,
      .in_place = true,
      .opset = 19,
      .fits = Fits,
      .tensors = Tensors,
      .codec = MakeCodec,
      .read = Read,
      .codes = OperandCodesKey,
      .runs = "CPU, WebGPU: floats once ONNX Runtime has loaded them",
      .about = "Cast and Mul of 8-bit floats with a scale, before readers that stay as they are",
  };
}

// Of readers of which only a rule can know that their constants may lose digits.
constexpr Format RowOfOthers() {
  Format row = Row();
  row.name = "float8_others";
  row.operators = kOthers;
  row.by_rule = true;
  row.runs = "as float8 does";
  row.about = "the same before every other operator";
  return row;
}

}  // namespace

extern const Format kFloat8;
constinit const Format kFloat8 = Row();

extern const Format kFloat8Others;
constinit const Format kFloat8Others = RowOfOthers();

}  // namespace onnxquant
