#include "tests/kernels/kernel_runs.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"
#include "lib/kernels/block_rows.h"

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

}  // namespace

const std::map<std::string, KernelRun>& KernelRuns() {
  static const auto& runs = *new std::map<std::string, KernelRun>{{"blocks", Blocks}};
  return runs;
}

}  // namespace onnxquant::kernels
