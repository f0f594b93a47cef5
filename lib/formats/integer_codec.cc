#include "lib/formats/integer_codec.h"

#include <cmath>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

class IntegerCodec : public Codec {
 public:
  IntegerCodec(const Stored& stored, const CodecContext& context)
      : stored_(stored),
        context_(context),
        format_(IntegerKernelFormat(stored.format)),
        ranges_(stored.format.per_channel ? static_cast<std::size_t>(stored.n) : 1) {}

  Cut Wanted() const override {
    Cut cut;
    cut.rows = static_cast<std::uint64_t>(stored_.transposed ? stored_.n : stored_.k);
    cut.columns = static_cast<std::uint64_t>(stored_.transposed ? stored_.k : stored_.n);
    return cut;
  }

  bool Observes() const override { return true; }

  absl::Status Observe(const Tile& tile) override {
    if (!stored_.format.per_channel) {
      kernels::ValueRange range;
      kernels::ExtendRange(tile.floats, range);
      const std::lock_guard<std::mutex> lock(mutex_);
      ranges_[0].Merge(range);
      return absl::OkStatus();
    }
    std::vector<kernels::ValueRange> own(stored_.transposed ? tile.rows : tile.columns);
    if (stored_.transposed) {
      for (std::uint64_t row = 0; row < tile.rows; ++row) {
        kernels::ExtendRange(tile.floats.subspan(row * tile.columns, tile.columns), own[row]);
      }
    } else {
      kernels::ExtendColumnRanges(tile.floats, absl::MakeSpan(own));
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::uint64_t first = stored_.transposed ? tile.first_row : tile.first_column;
    for (std::size_t i = 0; i < own.size(); ++i) ranges_[first + i].Merge(own[i]);
    return absl::OkStatus();
  }

  absl::Status Write(const Tile& tile) override {
    ONNXQUANT_RETURN_IF_ERROR(DeriveScales());
    std::vector<std::uint8_t> codes(tile.floats.size());
    const absl::Span<std::uint8_t> to = absl::MakeSpan(codes);
    if (!stored_.format.per_channel) {
      kernels::QuantizeIntegers(format_.type, scales_[0], tile.floats, to);
    } else if (stored_.transposed) {
      for (std::uint64_t row = 0; row < tile.rows; ++row) {
        const std::uint64_t at = row * tile.columns;
        kernels::QuantizeIntegers(format_.type, scales_[tile.first_row + row],
                                  tile.floats.subspan(at, tile.columns),
                                  to.subspan(at, tile.columns));
      }
    } else {
      kernels::QuantizeIntegerColumns(
          format_.type, absl::MakeConstSpan(scales_).subspan(tile.first_column, tile.columns),
          tile.floats, to);
    }
    return WriteElements(context_.sink, tiling(), tile, 1, AsBytes(codes));
  }

  absl::Status Finish() override {
    ONNXQUANT_RETURN_IF_ERROR(DeriveScales());  // of a constant without elements
    return WriteIntegerScales(context_.sink, scales_, OneZeroPoint() ? 1 : scales_.size());
  }

 private:
  // Whether all channels share one, the middle, because the operator knows no more.
  bool OneZeroPoint() const {
    return stored_.format.per_channel && stored_.form->tensors(stored_)[2].dims.empty();
  }

  // Once, when all tiles have been seen.
  absl::Status DeriveScales() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!scales_.empty()) return absl::OkStatus();
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<kernels::IntegerScale> scales,
                               IntegerScalesOf(format_, ranges_, context_.account->what()));
    if (OneZeroPoint()) {  // a channel of zeros would have one of its own
      for (kernels::IntegerScale& scale : scales) scale.zero_point = MiddleOf(format_);
    }
    scales_ = std::move(scales);
    return absl::OkStatus();
  }

  Stored stored_;
  CodecContext context_;
  kernels::IntegerFormat format_;
  std::mutex mutex_;
  std::vector<kernels::ValueRange> ranges_;
  std::vector<kernels::IntegerScale> scales_;  // once they are derived
};

}  // namespace

std::vector<StoredTensor> IntegerTensors(const Stored& stored,
                                         const std::vector<std::int64_t>& scale_dims,
                                         const std::vector<std::int64_t>& zero_point_dims) {
  const ElementType codes = stored.format.is_signed ? ElementType::kInt8 : ElementType::kUint8;
  const bool channels = stored.format.per_channel;
  using Dims = std::vector<std::int64_t>;
  return {{"_quantized", codes, stored.dims},
          {"_scale", ElementType::kFloat, channels ? scale_dims : Dims{}},
          {"_zero_point", codes, channels ? zero_point_dims : Dims{}}};
}

absl::Status WriteIntegerScales(const PartSink& sink, absl::Span<const kernels::IntegerScale> all,
                                std::size_t zero_points_stored) {
  std::vector<float> scales;
  std::vector<std::uint8_t> zero_points;
  for (const kernels::IntegerScale& one : all) {
    scales.push_back(one.scale);
    zero_points.push_back(static_cast<std::uint8_t>(one.zero_point));
  }
  zero_points.resize(zero_points_stored);
  ONNXQUANT_RETURN_IF_ERROR(sink.Write(1, 0, AsBytes(scales)));
  return sink.Write(2, 0, AsBytes(zero_points));
}

std::string TransposedCodes(const std::string& codes, NodeSink& sink) {
  return sink.Once(absl::StrCat(codes, " turned"), [&]() {
    std::string turned = sink.UniqueValue(absl::StrCat(codes, "_transposed"));
    sink.AddNode() = MakeNode("Transpose", sink.UniqueNode(absl::StrCat(turned, "/Transpose")),
                              {codes}, {turned});
    return turned;
  });
}

std::string IntegerCodesKey(const Stored& stored) {
  return absl::StrCat(ToString(stored.format), " ", stored.k, " ", stored.n,
                      stored.transposed ? " NK" : " KN");
}

std::unique_ptr<Codec> MakeIntegerCodec(const Stored& stored, const CodecContext& context) {
  return std::make_unique<IntegerCodec>(stored, context);
}

kernels::IntegerFormat IntegerKernelFormat(const WeightFormat& format) {
  kernels::IntegerFormat kernel;
  kernel.type = format.is_signed ? kernels::IntegerType::kInt8 : kernels::IntegerType::kUint8;
  kernel.symmetric = format.symmetric;
  kernel.reduce_range = format.reduce_range;
  return kernel;
}

int MiddleOf(const kernels::IntegerFormat& format) {
  const kernels::CodeRange codes = kernels::CodeRangeOf(format);
  return static_cast<int>(std::nearbyint((codes.lowest + codes.highest) / 2.0));
}

absl::StatusOr<std::vector<kernels::IntegerScale>> IntegerScalesOf(
    const kernels::IntegerFormat& format, absl::Span<const kernels::ValueRange> ranges,
    const std::string& what) {
  std::vector<kernels::IntegerScale> scales;
  for (const kernels::ValueRange& range : ranges) {
    const std::optional<kernels::IntegerScale> scale =
        kernels::IntegerScaleOf(format, range, kernels::ScaleType::kFloat32);
    if (!scale) {
      return ModelError(what, ": its values range from ", range.lo, " to ", range.hi,
                        ", which no scale of 8-bit codes can carry; keep it in float32 with a rule "
                        "(weights: float32)");
    }
    scales.push_back(*scale);
  }
  return scales;
}

DynamicCodes QuantizeDynamically(const std::string& value, NodeSink& sink) {
  const std::string codes = sink.Once(absl::StrCat("8 bits of ", value), [&]() {
    const std::string name = sink.UniqueValue(absl::StrCat(value, "_quantized"));
    const std::string scale = sink.UniqueValue(absl::StrCat(name, "_scale"));
    const std::string zero_point = sink.UniqueValue(absl::StrCat(name, "_zero_point"));
    onnx::NodeProto& node = sink.AddNode();
    node.set_op_type("DynamicQuantizeLinear");
    node.set_name(sink.UniqueNode(absl::StrCat(value, "_QuantizeLinear")));
    node.add_input(value);
    for (const std::string& output : {name, scale, zero_point}) node.add_output(output);
    return absl::StrCat(name, "\n", scale, "\n", zero_point);
  });
  const std::vector<std::string> names = absl::StrSplit(codes, '\n');
  return {names[0], names[1], names[2]};
}

void Dequantize(const std::string& sums, const std::string& a_scale, const std::string& b_scale,
                onnx::NodeProto& last, NodeSink& sink) {
  const std::string floats = sink.UniqueValue(absl::StrCat(sums, "_float32"));
  onnx::NodeProto& cast = sink.AddNode();
  cast.set_op_type("Cast");
  cast.set_name(sink.UniqueNode(absl::StrCat(sums, "_cast")));
  cast.add_input(sums);
  cast.add_output(floats);
  SetInt(cast, "to", onnx::TensorProto::FLOAT);
  const std::string scales = sink.UniqueValue(absl::StrCat(sums, "_scales"));
  onnx::NodeProto& mul = sink.AddNode();
  mul.set_op_type("Mul");
  mul.set_name(sink.UniqueNode(absl::StrCat(sums, "_scales_mul")));
  mul.add_input(a_scale);
  mul.add_input(b_scale);
  mul.add_output(scales);
  last.set_op_type("Mul");
  last.set_domain("");
  last.clear_input();
  last.clear_attribute();
  last.add_input(floats);
  last.add_input(scales);
}

}  // namespace onnxquant
