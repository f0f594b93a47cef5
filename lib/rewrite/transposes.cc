#include "lib/rewrite/transposes.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/formats/format.h"
#include "lib/model/element_type.h"

namespace onnxquant {
namespace {

using Bytes = absl::Span<const std::byte>;

constexpr std::size_t kSamples = 8;
// Of the matrix that is read by columns: pages of so many bytes together stay in memory.
constexpr std::size_t kBandBytes = 8 << 20;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kSide = 64;  // of squares that both fit into the cache

std::size_t SizeOf(const FillJob& job) {
  return static_cast<std::size_t>(BitsOf(static_cast<ElementType>(job.source->data_type()))) / 8;
}

// `wide` rows of `columns` elements, against `tall` rows of `rows` of them.
template <std::size_t kSize>
bool SameBand(Bytes wide, Bytes tall, std::size_t first, std::size_t last, std::size_t rows,
              std::size_t columns) {
  for (std::size_t row = first; row < last; row += kSide) {
    for (std::size_t column = 0; column < columns; column += kSide) {
      for (std::size_t r = row; r < std::min(row + kSide, last); ++r) {
        for (std::size_t c = column; c < std::min(column + kSide, columns); ++c) {
          const std::byte* a = wide.data() + (r * columns + c) * kSize;
          const std::byte* b = tall.data() + (c * rows + r) * kSize;
          if (std::memcmp(a, b, kSize) != 0) return false;
        }
      }
    }
  }
  return true;
}

bool SameBandOf(std::size_t size, Bytes wide, Bytes tall, std::size_t first, std::size_t last,
                std::size_t rows, std::size_t columns) {
  switch (size) {
    case 2:
      return SameBand<2>(wide, tall, first, last, rows, columns);
    case 4:
      return SameBand<4>(wide, tall, first, last, rows, columns);
    case 8:
      return SameBand<8>(wide, tall, first, last, rows, columns);
    default:
      return false;
  }
}

}  // namespace

bool MayLieEitherWay(const FillJob& job) {
  return job.stored.form != nullptr && job.stored.form->by_channel && !job.repack &&
         job.first_bytes == 0;
}

std::string SamplesEitherWay(const FillJob& job, Bytes bytes) {
  const auto k = static_cast<std::size_t>(job.stored.k);
  const auto n = static_cast<std::size_t>(job.stored.n);
  const std::size_t size = SizeOf(job);
  std::string samples = absl::StrCat(k, " x ", n, " ");
  for (std::size_t i = 0; i < kSamples; ++i) {
    const std::size_t row = (n - 1) * i / (kSamples - 1);
    const std::size_t column = (k - 1) * (i * 3 % kSamples) / (kSamples - 1);
    const std::size_t at = job.stored.transposed ? row * k + column : column * n + row;
    samples.append(reinterpret_cast<const char*>(bytes.data()) + at * size, size);
  }
  return samples;
}

absl::StatusOr<bool> AreTransposes(const Model& model, const FillJob& a, const FillJob& b) {
  const FillJob& wide_job = a.stored.transposed ? a : b;
  const FillJob& tall_job = a.stored.transposed ? b : a;
  ONNXQUANT_ASSIGN_OR_RETURN(const Bytes wide, model.Bytes(*wide_job.source));
  ONNXQUANT_ASSIGN_OR_RETURN(const Bytes tall, model.Bytes(*tall_job.source));
  if (wide.size() != tall.size()) return false;
  const auto rows = static_cast<std::size_t>(wide_job.stored.n);
  const auto columns = static_cast<std::size_t>(wide_job.stored.k);
  const std::size_t size = SizeOf(wide_job);
  const std::size_t band = std::max(kPage, kBandBytes / columns) / size;
  for (std::size_t first = 0; first < rows; first += band) {
    const std::size_t last = std::min(first + band, rows);
    const bool same = SameBandOf(size, wide, tall, first, last, rows, columns);
    model.Release(*wide_job.source, first * columns * size, (last - first) * columns * size);
    model.Release(*tall_job.source, 0, tall.size());
    if (!same) return false;
  }
  return true;
}

}  // namespace onnxquant
