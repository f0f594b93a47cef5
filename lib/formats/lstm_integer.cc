// com.microsoft DynamicQuantizeLSTM: activations in 8 bits, quantized when the model runs, and both
// weights in 8 bits.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/formats/format.h"
#include "lib/formats/integer_codec.h"
#include "lib/kernels/integer_quantize.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kOperators[] = {"LSTM"};
constexpr int kWeights = 1;
constexpr int kRecurrences = 2;
constexpr int kTogether[] = {kWeights, kRecurrences};
constexpr int kInputs = 12;     // of DynamicQuantizeLSTM
constexpr int kFirstScale = 8;  // of them, before each zero point

bool BatchFirst(const onnx::NodeProto& node) {
  return std::any_of(node.attribute().begin(), node.attribute().end(), [](const auto& attribute) {
    return attribute.name() == "layout" && attribute.i() != 0;
  });
}

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  if (reading.input != kWeights && reading.input != kRecurrences) {
    fit.reason = "only the weights and recurrences of an LSTM are stored in codes";
  } else if (!reading.follows || reading.dims.size() != 3) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions; an LSTM's weights have 3");
  } else if (std::count(reading.dims.begin(), reading.dims.end(), 0) > 0) {
    fit.reason = "it is empty";
  } else if (reading.compute != ElementType::kFloat) {
    fit.reason = absl::StrCat("its LSTM computes in ", NameOf(reading.compute),
                              "; what is quantized when the model runs is float32");
  } else if (BatchFirst(*reading.node)) {
    fit.reason = "its LSTM has batches first (layout 1), which DynamicQuantizeLSTM does not know";
  } else if (format.per_channel && !format.symmetric) {
    fit.reason =
        "DynamicQuantizeLSTM knows one zero point for all gates: per_channel needs symmetric";
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = true;
    fit.stored.n = reading.dims[0] * reading.dims[1];
    fit.stored.k = reading.dims[2];
    fit.stored.dims = reading.dims;
  }
  return fit;
}

// [directions, gates, inputs] becomes [directions, inputs, gates]. Each direction has a scale, or
// each of its gates.
std::vector<StoredTensor> Tensors(const Stored& stored) {
  const ElementType codes = stored.format.is_signed ? ElementType::kInt8 : ElementType::kUint8;
  std::vector<std::int64_t> scales = {stored.dims[0]};
  if (stored.format.per_channel) scales.push_back(stored.dims[1]);
  return {{"_quantized", codes, {stored.dims[0], stored.dims[2], stored.dims[1]}},
          {"_scale", ElementType::kFloat, scales},
          {"_zero_point", codes, scales}};
}

class LstmCodec : public Codec {
 public:
  LstmCodec(const Stored& stored, const CodecContext& context)
      : context_(context),
        format_(IntegerKernelFormat(stored.format)),
        rows_(static_cast<std::uint64_t>(stored.n)),
        columns_(static_cast<std::uint64_t>(stored.k)),
        gates_(static_cast<std::uint64_t>(stored.dims[1])),
        per_channel_(stored.format.per_channel),
        shared_(per_channel_ ? 1 : gates_),
        ranges_(rows_ / shared_) {}

  Cut Wanted() const override {
    Cut cut;
    cut.rows = rows_;
    cut.columns = columns_;
    return cut;
  }

  bool Observes() const override { return true; }

  absl::Status Observe(const Tile& tile) override {
    for (std::uint64_t row = 0; row < tile.rows; ++row) {
      kernels::ValueRange range;
      kernels::ExtendRange(tile.floats.subspan(row * tile.columns, tile.columns), range);
      const std::lock_guard<std::mutex> lock(mutex_);
      ranges_[(tile.first_row + row) / shared_].Merge(range);
    }
    return absl::OkStatus();
  }

  absl::Status Write(const Tile& tile) override {
    ONNXQUANT_RETURN_IF_ERROR(DeriveScales());
    std::vector<std::uint8_t> codes(tile.floats.size());
    for (std::uint64_t row = 0; row < tile.rows; ++row) {
      const std::uint64_t at = row * tile.columns;
      kernels::QuantizeIntegers(format_.type, scales_[(tile.first_row + row) / shared_],
                                tile.floats.subspan(at, tile.columns),
                                absl::MakeSpan(codes).subspan(at, tile.columns));
    }
    // The rows of one direction, column by column.
    for (std::uint64_t first = 0; first < tile.rows;) {
      const std::uint64_t row = tile.first_row + first;
      const std::uint64_t run = std::min(tile.rows - first, gates_ - row % gates_);
      std::vector<std::uint8_t> turned(run);
      for (std::uint64_t column = 0; column < tile.columns; ++column) {
        for (std::uint64_t i = 0; i < run; ++i) {
          turned[i] = codes[(first + i) * tile.columns + column];
        }
        const std::uint64_t to =
            (row / gates_ * columns_ + tile.first_column + column) * gates_ + row % gates_;
        ONNXQUANT_RETURN_IF_ERROR(context_.sink.Write(0, to, AsBytes(turned)));
      }
      first += run;
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    ONNXQUANT_RETURN_IF_ERROR(DeriveScales());
    return WriteIntegerScales(context_.sink, scales_, scales_.size());
  }

 private:
  // Once, when all tiles have been seen.
  absl::Status DeriveScales() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!scales_.empty()) return absl::OkStatus();
    ONNXQUANT_ASSIGN_OR_RETURN(scales_,
                               IntegerScalesOf(format_, ranges_, context_.account->what()));
    if (per_channel_) {  // a gate of zeros would have a zero point of its own
      for (kernels::IntegerScale& scale : scales_) scale.zero_point = MiddleOf(format_);
    }
    return absl::OkStatus();
  }

  CodecContext context_;
  kernels::IntegerFormat format_;
  std::uint64_t rows_;
  std::uint64_t columns_;
  std::uint64_t gates_;  // rows of a direction
  bool per_channel_;
  std::uint64_t shared_;  // rows that share a scale
  std::mutex mutex_;
  std::vector<kernels::ValueRange> ranges_;
  std::vector<kernels::IntegerScale> scales_;  // once they are derived
};

std::unique_ptr<Codec> MakeCodec(const Stored& stored, const CodecContext& context) {
  return std::make_unique<LstmCodec>(stored, context);
}

// Each of the two weights takes its place; the first also changes the operator. Names follow
// onnxruntime.quantization.
void Read(const Stored& /*stored*/, absl::Span<const std::string> names, int input,
          onnx::NodeProto& node, NodeSink& sink) {
  if (node.op_type() == "LSTM") {
    node.set_op_type("DynamicQuantizeLSTM");
    node.set_domain("com.microsoft");
    if (!node.name().empty()) node.set_name(sink.UniqueNode(absl::StrCat(node.name(), "_quant")));
    while (node.input_size() < kInputs) node.add_input("");
    for (int i = node.attribute_size() - 1; i >= 0; --i) {
      if (node.attribute(i).name() == "layout") node.mutable_attribute()->DeleteSubrange(i, 1);
    }
    sink.RequireOpset("com.microsoft", 1);
  }
  const int scale = kFirstScale + 2 * (input - kWeights);
  node.set_input(input, names[0]);
  node.set_input(scale, names[1]);
  node.set_input(scale + 1, names[2]);
}

}  // namespace

extern const Format kLstmInteger;
constinit const Format kLstmInteger = {
    .name = "lstm_integer",
    .words = kIntegerWords,
    .parameters = kIntegerParameters,
    .operators = kOperators,
    .in_place = true,
    .together = kTogether,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeCodec,
    .read = Read,
    .runs = "CPU, WebAssembly; not for WebGPU",
    .about = "com.microsoft DynamicQuantizeLSTM: 8-bit weights and activations",
};

}  // namespace onnxquant
