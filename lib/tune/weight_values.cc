#include "lib/tune/weight_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/tile_executor.h"
#include "lib/formats/block_codec.h"
#include "lib/kernels/block_dequantize.h"
#include "lib/methods/objective.h"
#include "lib/model/element_type.h"
#include "lib/model/float_payload.h"
#include "lib/rewrite/fill_source.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kTileBytes = 1 << 20;
constexpr std::size_t kMostRows = 8192;

// Holds what would go into a file.
class MemorySink : public TensorSink {
 public:
  explicit MemorySink(absl::Span<const std::uint64_t> bytes) {
    for (const std::uint64_t count : bytes) parts_.emplace_back(count);
  }
  absl::Status Write(int initializer, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    if (bytes.empty()) return absl::OkStatus();
    std::memcpy(parts_[static_cast<std::size_t>(initializer)].data() + offset, bytes.data(),
                bytes.size());
    return absl::OkStatus();
  }
  const std::vector<std::byte>& part(std::size_t i) const { return parts_[i]; }

 private:
  std::vector<std::vector<std::byte>> parts_;
};

absl::StatusOr<std::vector<std::uint64_t>> SizesOfParts(const FillJob& job) {
  std::vector<std::uint64_t> sizes;
  if (job.stored.form == nullptr) {
    const std::vector<std::int64_t> dims(job.source->dims().begin(), job.source->dims().end());
    ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes, PackedBytes(job.type, dims));
    return std::vector<std::uint64_t>{bytes};
  }
  for (const StoredTensor& tensor : job.stored.form->tensors(job.stored)) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes, PackedBytes(tensor.type, tensor.dims));
    sizes.push_back(bytes);
  }
  return sizes;
}

absl::Status Fill(FillSource& source, const ValuesOptions& options) {
  ONNXQUANT_RETURN_IF_ERROR(source.CutInto(kTileBytes));
  if (source.Observes()) {
    ONNXQUANT_RETURN_IF_ERROR(RunTiles(source.tiles(), options.threads, options.cancelled,
                                       [&](std::size_t tile) { return source.Observe(tile); }));
  }
  return RunTiles(source.tiles(), options.threads, options.cancelled,
                  [&](std::size_t tile) { return source.Fill(tile).status(); });
}

// Rows that end with their last code, with room for whole blocks.
std::vector<std::uint8_t> Padded(const std::vector<std::byte>& codes, std::size_t rows,
                                 std::size_t row_bytes) {
  std::vector<std::uint8_t> padded(rows * row_bytes);
  const std::size_t given = codes.size() / std::max<std::size_t>(rows, 1);
  for (std::size_t row = 0; row < rows; ++row) {
    std::memcpy(padded.data() + row * row_bytes, codes.data() + row * given,
                std::min(given, row_bytes));
  }
  return padded;
}

std::vector<float> Turned(absl::Span<const float> values, std::size_t rows, std::size_t columns) {
  std::vector<float> turned(values.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      turned[column * rows + row] = values[row * columns + column];
    }
  }
  return turned;
}

std::vector<float> FromBlocks(const Stored& stored, const MemorySink& parts) {
  kernels::BlockFormat format;
  format.bits = stored.format.bits;
  format.block = static_cast<std::size_t>(stored.format.block);
  format.symmetric = stored.format.symmetric;
  const auto k = static_cast<std::size_t>(stored.k);
  const auto n = static_cast<std::size_t>(stored.n);
  const kernels::BlockSizes sizes = kernels::SizesOf(format, k, n);
  const std::vector<std::uint8_t> codes =
      Padded(parts.part(0), n, sizes.data_bytes / std::max<std::size_t>(n, 1));
  const std::vector<float> scales = FloatsOfPayload(parts.part(1), stored.scale);
  std::vector<std::uint8_t> zero_points;
  if (!format.symmetric) {
    const std::vector<std::byte>& part = parts.part(2);
    zero_points.resize(part.size());
    std::memcpy(zero_points.data(), part.data(), part.size());
  }
  std::vector<float> values(n * k);
  kernels::DequantizeBlocks(format, codes, scales, zero_points, k, n, absl::MakeSpan(values));
  return stored.transposed ? values : Turned(values, n, k);
}

// An output that is looked at, and how much it counts.
struct Looked {
  std::size_t output = 0;
  double count = 1;
};

std::vector<Looked> OutputsToLookAt(std::size_t n, absl::Span<const float> counts) {
  std::vector<Looked> outputs(n);
  for (std::size_t i = 0; i < n; ++i) outputs[i] = {i, counts.empty() ? 1.0 : double{counts[i]}};
  if (n <= kMostRows) return outputs;
  std::stable_sort(outputs.begin(), outputs.end(),
                   [](const Looked& a, const Looked& b) { return a.count > b.count; });
  constexpr std::size_t kFirst = kMostRows / 2;
  const auto first = outputs.begin() + kFirst;
  const auto sum = [](double total, const Looked& one) { return total + one.count; };
  const double rest = std::accumulate(first, outputs.end(), 0.0, sum);
  std::vector<Looked> looked(outputs.begin(), first);
  for (std::size_t i = 0; i < kMostRows - kFirst; ++i) {
    looked.push_back(outputs[kFirst + i * (n - kFirst) / (kMostRows - kFirst)]);
  }
  const double seen = std::accumulate(looked.begin() + kFirst, looked.end(), 0.0, sum);
  for (auto one = looked.begin() + kFirst; one != looked.end(); ++one) {
    one->count *= seen > 0 ? rest / seen : 0;
  }
  return looked;
}

// Some outputs' weights, one after the other, so that what counts c times is √c as large.
std::vector<float> RowsOf(const WeightShape& shape, absl::Span<const float> numbers,
                          absl::Span<const Looked> outputs) {
  std::vector<float> rows;
  rows.reserve(outputs.size() * shape.k);
  for (const Looked& one : outputs) {
    const auto factor = static_cast<float>(std::sqrt(one.count));
    for (std::size_t i = 0; i < shape.k; ++i) {
      const std::size_t at = shape.transposed ? one.output * shape.k + i : i * shape.n + one.output;
      rows.push_back(factor * numbers[at]);
    }
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::vector<float>> ValuesOfSource(const Model& model,
                                                  const onnx::TensorProto& tensor) {
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(tensor));
  return FloatsOfPayload(bytes, static_cast<ElementType>(tensor.data_type()));
}

absl::StatusOr<std::vector<float>> ValuesStored(const Model& model, const FillJob& job,
                                                const ValuesOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> sizes, SizesOfParts(job));
  MemorySink sink(sizes);
  FillJob here = job;
  here.targets.clear();
  for (std::size_t i = 0; i < sizes.size(); ++i) here.targets.push_back(static_cast<int>(i));
  FillSource source(model, *job.source);
  source.AddTarget(here, {nullptr, &sink, nullptr}, options.factors);
  ONNXQUANT_RETURN_IF_ERROR(Fill(source, options));
  std::vector<float> values = job.stored.form == nullptr ? FloatsOfPayload(sink.part(0), job.type)
                                                         : FromBlocks(job.stored, sink);
  const float factor = std::ldexp(1.0F, -job.exponent);
  for (float& value : values) value *= factor;
  return values;
}

absl::StatusOr<double> ErrorOf(const WeightShape& shape, absl::Span<const float> weights,
                               absl::Span<const float> values, absl::Span<const float> moments,
                               absl::Span<const float> counts, const ValuesOptions& options) {
  constexpr std::size_t kChunk = 256;
  if (weights.size() != shape.k * shape.n || values.size() != weights.size() ||
      !(counts.empty() || counts.size() == shape.n)) {
    return InternalError("a weight of ", weights.size(), " elements seen as ", shape.k, " x ",
                         shape.n);
  }
  const std::vector<Looked> outputs = OutputsToLookAt(shape.n, counts);
  const std::size_t chunks = (outputs.size() + kChunk - 1) / kChunk;
  std::vector<double> errors(chunks);
  ONNXQUANT_RETURN_IF_ERROR(
      RunTiles(chunks, options.threads, options.cancelled, [&](std::size_t chunk) {
        const auto some = absl::MakeConstSpan(outputs).subspan(chunk * kChunk, kChunk);
        const std::vector<float> before = RowsOf(shape, weights, some);
        const std::vector<float> after = RowsOf(shape, values, some);
        if (moments.empty()) {
          for (std::size_t i = 0; i < before.size(); ++i) {
            const double difference = double{before[i]} - double{after[i]};
            errors[chunk] += difference * difference;
          }
        } else {
          errors[chunk] =
              methods::Objective(before, after, static_cast<std::int64_t>(shape.k), moments);
        }
        return absl::OkStatus();
      }));
  return std::accumulate(errors.begin(), errors.end(), 0.0);
}

}  // namespace onnxquant
