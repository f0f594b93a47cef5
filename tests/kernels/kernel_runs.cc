#include "tests/kernels/kernel_runs.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"
#include "lib/kernels/block_rows.h"
#include "lib/kernels/bnb4_quantize.h"
#include "lib/kernels/float8.h"
#include "lib/kernels/integer_quantize.h"
#include "lib/kernels/qdq_quantize.h"

namespace onnxquant::kernels {
namespace {

template <typename T>
std::vector<T> Numbers(std::string_view bytes) {
  std::vector<T> numbers(bytes.size() / sizeof(T));
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(T));
  return numbers;
}

template <typename T>
void Append(const std::vector<T>& numbers, std::string& bytes) {
  if (numbers.empty()) return;
  bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T));
}

BlockFormat FormatOf(const Arguments& arguments) {
  return {static_cast<int>(arguments.at("bits")), arguments.at("block"),
          arguments.at("symmetric") != 0,
          arguments.at("half") != 0 ? ScaleType::kFloat16 : ScaleType::kFloat32};
}

// float32 weights to data, scales and packed zero points; unpadded with rows=1.
std::string Blocks(const Arguments& arguments, std::string_view source) {
  const bool rows = arguments.contains("rows");
  const BlockFormat format = FormatOf(arguments);
  const bool half = format.scale == ScaleType::kFloat16;
  const std::size_t k = arguments.at("k");
  const std::size_t n = arguments.at("n");
  const BlockSizes sizes = rows ? RowSizesOf(format, k, n) : SizesOf(format, k, n);
  std::vector<std::uint8_t> data(sizes.data_bytes);
  std::vector<float> scales_f32(half ? 0 : sizes.scale_count);
  std::vector<std::uint16_t> scales_f16(half ? sizes.scale_count : 0);
  std::vector<std::uint8_t> zero_points(format.symmetric ? 0 : sizes.scale_count);
  std::vector<std::uint8_t> packed(sizes.zero_point_bytes);
  TileOutput output;
  output.data = absl::MakeSpan(data);
  output.scales_f32 = absl::MakeSpan(scales_f32);
  output.scales_f16 = absl::MakeSpan(scales_f16);
  output.zero_points = absl::MakeSpan(zero_points);
  if (rows) {
    QuantizeRows(format, Numbers<float>(source), k, n, output);
  } else {
    QuantizeTile(format, arguments.at("nk") != 0 ? WeightLayout::kNK : WeightLayout::kKN,
                 Numbers<float>(source), k, n, output);
  }
  if (!format.symmetric) {
    PackZeroPoints(format, zero_points, n, sizes.scale_count / n, absl::MakeSpan(packed));
  }
  std::string result;
  Append(data, result);
  Append(scales_f32, result);
  Append(scales_f16, result);
  Append(packed, result);
  return result;
}

// float32 weights to scales, zero points (a byte each) and codes: of the whole, or of the columns
// of [any, columns]. Nothing, if a range has no scale.
std::string Integers(const Arguments& arguments, std::string_view source) {
  const IntegerType type = arguments.at("signed") != 0 ? IntegerType::kInt8 : IntegerType::kUint8;
  const IntegerFormat format{type, arguments.at("symmetric") != 0, arguments.at("reduce") != 0};
  const bool half = arguments.at("half") != 0;
  const std::vector<float> values = Numbers<float>(source);
  const bool by_column = arguments.contains("columns");
  std::vector<ValueRange> ranges(by_column ? arguments.at("columns") : 1);
  if (by_column) {
    ExtendColumnRanges(values, absl::MakeSpan(ranges));
  } else {
    ExtendRange(values, ranges[0]);
  }
  std::vector<IntegerScale> scales;
  std::vector<float> numbers;
  std::vector<std::uint8_t> zero_points;
  for (const ValueRange& range : ranges) {
    const auto scale =
        IntegerScaleOf(format, range, half ? ScaleType::kFloat16 : ScaleType::kFloat32);
    if (!scale.has_value()) return {};
    scales.push_back(*scale);
    numbers.push_back(scale->scale);
    zero_points.push_back(static_cast<std::uint8_t>(scale->zero_point));
  }
  std::vector<std::uint8_t> codes(values.size());
  if (by_column) {
    QuantizeIntegerColumns(type, scales, values, absl::MakeSpan(codes));
  } else {
    QuantizeIntegers(type, scales[0], values, absl::MakeSpan(codes));
  }
  std::string result;
  Append(numbers, result);
  Append(zero_points, result);
  Append(codes, result);
  return result;
}

// float32 weights to packed codes, scales and packed zero points; along axis 1 with rows=1. In
// three stages, with one scale for a column, with channels=1.
std::string Qdq(const Arguments& arguments, std::string_view source) {
  const bool half = arguments.at("half") != 0;
  const QdqFormat format{static_cast<int>(arguments.at("bits")), arguments.at("symmetric") != 0,
                         half ? ScaleType::kFloat16 : ScaleType::kFloat32};
  const std::size_t k = arguments.at("k");
  const std::size_t n = arguments.at("n");
  const std::size_t block = arguments.at("block");
  const bool along_rows = arguments.at("rows") != 0;
  const std::vector<float> values = Numbers<float>(source);
  const std::size_t blocks =
      along_rows ? k * ((n + block - 1) / block) : (k + block - 1) / block * n;
  std::vector<std::uint8_t> data(PackedBytes(format.bits, k * n));
  std::vector<float> scales_f32(half ? 0 : blocks);
  std::vector<std::uint16_t> scales_f16(half ? blocks : 0);
  std::vector<std::uint8_t> zero_points(format.symmetric ? 0 : blocks);
  std::vector<std::uint8_t> packed(format.symmetric ? 0 : PackedBytes(format.bits, blocks));
  const QdqScales scales{absl::MakeSpan(scales_f32), absl::MakeSpan(scales_f16),
                         absl::MakeSpan(zero_points)};
  if (arguments.contains("channels")) {
    std::vector<QdqRange> ranges(n);
    const std::size_t half_way = k / 2 * n;
    ExtendQdqRanges(absl::MakeConstSpan(values).first(half_way), absl::MakeSpan(ranges));
    ExtendQdqRanges(absl::MakeConstSpan(values).subspan(half_way), absl::MakeSpan(ranges));
    QdqScalesOf(format, ranges, scales);
    QuantizeQdqWithScales(format, scales, values, k, n, absl::MakeSpan(data));
  } else if (along_rows) {
    QuantizeQdqRows(format, block, values, k, n, absl::MakeSpan(data), scales);
  } else {
    QuantizeQdqColumns(format, block, values, k, n, absl::MakeSpan(data), scales);
  }
  if (!format.symmetric) PackFlat(format.bits, zero_points, absl::MakeSpan(packed));
  std::string result;
  Append(data, result);
  Append(scales_f32, result);
  Append(scales_f16, result);
  Append(packed, result);
  return result;
}

// float32 weights [K,N] to packed codes and absmax: by tiles of rows with columns=1, else by groups
// of columns that are transposed.
std::string Bnb4(const Arguments& arguments, std::string_view source) {
  const bool half = arguments.at("half") != 0;
  const Bnb4Format format{static_cast<Bnb4Type>(arguments.at("type")), arguments.at("block"),
                          half ? ScaleType::kFloat16 : ScaleType::kFloat32};
  const std::size_t k = arguments.at("k");
  const std::size_t n = arguments.at("n");
  const std::vector<float> values = Numbers<float>(source);
  const Bnb4Sizes sizes = Bnb4SizesOf(format, values.size());
  std::vector<std::uint8_t> data(sizes.data_bytes);
  std::vector<float> f32(half ? 0 : sizes.absmax_count);
  std::vector<std::uint16_t> f16(half ? sizes.absmax_count : 0);
  if (arguments.at("columns") != 0) {
    QuantizeBnb4Columns(format, values, k, n,
                        {absl::MakeSpan(data), absl::MakeSpan(f32), absl::MakeSpan(f16)});
  } else {
    std::vector<float> transposed(values.size());
    TransposeRows(values, k, n, absl::MakeSpan(transposed));
    const std::size_t run = Bnb4ColumnStep(format.block, k) * k;
    for (std::size_t first = 0; first < values.size(); first += run) {
      const auto part = absl::MakeConstSpan(transposed).subspan(first, run);
      const Bnb4Sizes part_sizes = Bnb4SizesOf(format, part.size());
      const std::size_t block = first / format.block;
      QuantizeBnb4(format, part,
                   {absl::MakeSpan(data).subspan(first / 2, part_sizes.data_bytes),
                    absl::MakeSpan(f32).subspan(half ? 0 : block, part_sizes.absmax_count),
                    absl::MakeSpan(f16).subspan(half ? block : 0, part_sizes.absmax_count)});
    }
  }
  std::string result;
  Append(data, result);
  Append(f32, result);
  Append(f16, result);
  return result;
}

// float32 values to float8, and those widened again.
std::string Float8(const Arguments& arguments, std::string_view source) {
  const auto type = static_cast<Float8Type>(arguments.at("type"));
  const std::vector<float> values = Numbers<float>(source);
  std::vector<std::uint8_t> narrow(values.size());
  std::vector<float> wide(values.size());
  FloatToFloat8(type, values, absl::MakeSpan(narrow));
  Float8ToFloat(type, narrow, absl::MakeSpan(wide));
  std::string result;
  Append(narrow, result);
  Append(wide, result);
  return result;
}

}  // namespace

const std::map<std::string, KernelRun>& KernelRuns() {
  static const auto& runs = *new std::map<std::string, KernelRun>{
      {"blocks", Blocks}, {"integers", Integers}, {"qdq", Qdq}, {"bnb4", Bnb4}, {"float8", Float8}};
  return runs;
}

}  // namespace onnxquant::kernels
