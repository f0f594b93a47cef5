#include "lib/methods/moments.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hwy/aligned_allocator.h"
#include "lib/base/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/methods/moments.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/methods/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::methods::HWY_NAMESPACE {

// Rows and columns that are worked on together; sizes are padded to multiples of it.
constexpr std::size_t kTile = 64;

// to -= factor * from, kTile numbers.
HWY_INLINE void SubtractRow(float factor, const float* from, float* to) {
  const DF d;
  const VF v = hn::Set(d, factor);
  for (std::size_t i = 0; i < kTile; i += hn::Lanes(d)) {
    hn::StoreU(hn::NegMulAdd(v, hn::LoadU(d, from + i), hn::LoadU(d, to + i)), d, to + i);
  }
}

HWY_INLINE void DivideRow(float divisor, float* row) {
  const DF d;
  const VF v = hn::Set(d, divisor);
  for (std::size_t i = 0; i < kTile; i += hn::Lanes(d)) {
    hn::StoreU(hn::Div(hn::LoadU(d, row + i), v), d, row + i);
  }
}

// R of R^T R for one tile, in place. False where it is not positive definite.
HWY_INLINE bool FactorTile(float* tile, std::size_t stride) {
  for (std::size_t r = 0; r < kTile; ++r) {
    float* const row = tile + r * stride;
    const float pivot = row[r];
    // What is lost to rounding grows with the steps taken; less than that is no pivot.
    if (!(pivot > 1e-6F) || !(pivot < 1e30F)) return false;
    DivideRow(std::sqrt(pivot), row);
    for (std::size_t below = r + 1; below < kTile; ++below) {
      SubtractRow(row[below], row, tile + below * stride);
    }
  }
  return true;
}

// Overwrites the upper triangle of `matrix` [size, size] by R with R^T R = matrix.
bool CholeskySimd(float* matrix, std::size_t size) {
  HWY_ALIGN float transposed[kTile * kTile];
  for (std::size_t p = 0; p < size; p += kTile) {
    float* const tile = matrix + p * size + p;
    if (!FactorTile(tile, size)) return false;
    for (std::size_t q = p + kTile; q < size; q += kTile) {
      float* const right = matrix + p * size + q;
      for (std::size_t r = 0; r < kTile; ++r) {
        DivideRow(tile[r * size + r], right + r * size);
        for (std::size_t below = r + 1; below < kTile; ++below) {
          SubtractRow(tile[r * size + below], right + r * size, right + below * size);
        }
      }
    }
    for (std::size_t q = p + kTile; q < size; q += kTile) {
      for (std::size_t i = 0; i < kTile; ++i) {
        for (std::size_t j = 0; j < kTile; ++j) {
          transposed[i * kTile + j] = matrix[(p + j) * size + q + i];
        }
      }
      Product<true>(kTile, size - q, kTile, {transposed, kTile}, {matrix + p * size + q, size},
                    matrix + q * size + q, size);
    }
  }
  return true;
}

// The inverse of the upper triangular R, into zeros.
void InvertSimd(const float* r, std::size_t size, float* inverse) {
  constexpr std::size_t kStrip = 4 * kTile;
  for (std::size_t p = size; p > 0;) {
    p -= kTile;
    const std::size_t next = p + kTile;
    for (std::size_t q = next; q < size; q += kStrip) {
      const std::size_t end = std::min(q + kStrip, size);
      Product<true>(kTile, end - q, end - next, {r + p * size + next, size},
                    {inverse + next * size + q, size}, inverse + p * size + q, size);
    }
    for (std::size_t i = p; i < next; ++i) inverse[i * size + i] = 1;
    for (std::size_t q = p; q < size; q += kTile) {
      for (std::size_t i = next; i > p;) {
        --i;
        DivideRow(r[i * size + i], inverse + i * size + q);
        for (std::size_t above = p; above < i; ++above) {
          SubtractRow(r[above * size + i], inverse + i * size + q, inverse + above * size + q);
        }
      }
    }
  }
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::methods {

HWY_EXPORT(CholeskySimd);
HWY_EXPORT(InvertSimd);

namespace {

constexpr std::size_t kPadding = 64;
constexpr double kMostDamping = 1000;

std::size_t Padded(std::int64_t k) {
  return (static_cast<std::size_t>(k) + kPadding - 1) / kPadding * kPadding;
}

absl::Status CheckMoments(absl::Span<const float> moments, std::int64_t k) {
  if (k <= 0 || moments.size() / static_cast<std::size_t>(k) != static_cast<std::size_t>(k) ||
      moments.size() % static_cast<std::size_t>(k) != 0) {
    return UsageError("second moments: found ", moments.size(), " numbers, expected ", k, " x ", k,
                      "; gather them from the model whose weights are converted");
  }
  const auto size = static_cast<std::size_t>(k);
  for (std::size_t i = 0; i < moments.size(); ++i) {
    if (!std::isfinite(moments[i])) {
      return UsageError("second moments: found ", moments[i], " in row ", i / size, ", column ",
                        i % size, ", expected finite numbers; gather them again");
    }
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (moments[i * size + i] < 0) {
      return UsageError("second moments: found ", moments[i * size + i], " on the diagonal, row ",
                        i, ", expected a sum of squares; gather them again");
    }
  }
  return absl::OkStatus();
}

// Symmetric, without zeros on the diagonal, and times a power of two. The mean of its diagonal
// goes to `mean`.
std::vector<float> Prepared(absl::Span<const float> moments, std::size_t size, double& mean) {
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += double{moments[i * size + i]};
  std::vector<float> prepared(size * size);
  if (sum == 0) {
    for (std::size_t i = 0; i < size; ++i) prepared[i * size + i] = 1;
    mean = 1;
    return prepared;
  }
  const int exponent = -std::ilogb(sum / static_cast<double>(size));
  mean = std::ldexp(sum / static_cast<double>(size), exponent);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = i; j < size; ++j) {
      const auto moment = static_cast<float>(std::ldexp(double{moments[i * size + j]}, exponent));
      prepared[i * size + j] = prepared[j * size + i] = moment;
    }
    float& diagonal = prepared[i * size + i];
    if (diagonal == 0) diagonal = static_cast<float>(mean);
  }
  return prepared;
}

void AddToDiagonal(absl::Span<const float> from, std::size_t size, double damping,
                   std::vector<float>& moments) {
  for (std::size_t i = 0; i < size; ++i) {
    moments[i * size + i] = static_cast<float>(double{from[i]} + damping);
  }
}

}  // namespace

std::size_t FactorBytes(std::int64_t k) {
  const auto size = static_cast<std::size_t>(k);
  return (2 * size * size + 2 * Padded(k) * Padded(k) + size) * sizeof(float);
}

absl::StatusOr<std::vector<float>> MixMoments(absl::Span<const float> moments,
                                              absl::Span<const float> gradients, std::int64_t k) {
  ONNXQUANT_RETURN_IF_ERROR(CheckMoments(moments, k));
  ONNXQUANT_RETURN_IF_ERROR(CheckMoments(gradients, k));
  const auto size = static_cast<std::size_t>(k);
  const auto share = [size](absl::Span<const float> matrix) {
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += double{matrix[i * size + i]};
    return sum == 0 ? 0.0 : 0.5 * static_cast<double>(size) / sum;
  };
  const double of_moments = share(moments);
  const double of_gradients = share(gradients);
  std::vector<float> mixed(size * size);
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    mixed[i] =
        static_cast<float>(of_moments * double{moments[i]} + of_gradients * double{gradients[i]});
  }
  return mixed;
}

absl::StatusOr<Factors> Factor(absl::Span<const float> moments, std::int64_t k,
                               const FactorOptions& options) {
  ONNXQUANT_RETURN_IF_ERROR(CheckMoments(moments, k));
  if (!(options.damping >= 0) || !(options.damping <= kMostDamping)) {
    return UsageError("damping of second moments: found ", options.damping, ", expected 0 to ",
                      kMostDamping, "; 0.01 is usual");
  }
  const auto size = static_cast<std::size_t>(k);
  const std::size_t padded = Padded(k);
  double mean = 0;
  Factors factors;
  factors.k = k;
  factors.moments = Prepared(moments, size, mean);
  std::vector<float> diagonal(size);
  for (std::size_t i = 0; i < size; ++i) diagonal[i] = factors.moments[i * size + i];

  // H read from its last row and column on is R^T R; then U^T is the inverse of R, read so too.
  auto matrix = hwy::AllocateAligned<float>(padded * padded);
  for (factors.damping = options.damping;;) {
    AddToDiagonal(diagonal, size, factors.damping * mean, factors.moments);
    std::fill_n(matrix.get(), padded * padded, 0.0F);
    for (std::size_t i = 0; i < size; ++i) {
      std::reverse_copy(&factors.moments[(size - 1 - i) * size],
                        &factors.moments[(size - 1 - i) * size] + size, &matrix[i * padded]);
    }
    for (std::size_t i = size; i < padded; ++i) matrix[i * padded + i] = 1;
    if (HWY_DYNAMIC_DISPATCH(CholeskySimd)(matrix.get(), padded)) break;
    factors.damping = factors.damping == 0 ? 1e-4 : factors.damping * 10;
    if (factors.damping > kMostDamping) {
      return UsageError("second moments: found a matrix of ", k, " x ", k,
                        " that is far from positive semidefinite, expected a sum of x x^T; gather "
                        "them again");
    }
  }
  auto inverse = hwy::AllocateAligned<float>(padded * padded);
  std::fill_n(inverse.get(), padded * padded, 0.0F);
  HWY_DYNAMIC_DISPATCH(InvertSimd)(matrix.get(), padded, inverse.get());
  factors.factor.resize(size * size);
  for (std::size_t i = 0; i < size; ++i) {
    std::reverse_copy(&inverse[i * padded], &inverse[i * padded] + size,
                      &factors.factor[(size - 1 - i) * size]);
  }
  return factors;
}

}  // namespace onnxquant::methods
#endif  // HWY_ONCE
