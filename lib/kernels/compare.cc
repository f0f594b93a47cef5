#include "lib/kernels/compare.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "hwy/base.h"

namespace onnxquant::kernels {
namespace {

// As many sums at once as hide the latency of an addition. Their order is fixed, so that the result
// is the same on every machine.
constexpr std::size_t kLanes = 8;

double Total(const double (&lanes)[kLanes]) {
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}

struct Lanes {
  double squared_error[kLanes] = {};
  double squared_value[kLanes] = {};
  double squared_approximation[kLanes] = {};
  double product[kLanes] = {};
  double max_abs[kLanes] = {};
  std::uint64_t differing[kLanes] = {};
};

void AddFinite(const float* a, const float* b, Lanes& lanes) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const double x = a[i];
    const double y = b[i];
    const double error = x - y;
    lanes.squared_error[i] += error * error;
    lanes.squared_value[i] += x * x;
    lanes.squared_approximation[i] += y * y;
    lanes.product[i] += x * y;
    lanes.max_abs[i] = std::max(lanes.max_abs[i], std::fabs(error));
    lanes.differing[i] += error != 0 ? 1U : 0U;
  }
}

}  // namespace

void Distortion::Add(absl::Span<const float> values, absl::Span<const float> approximations) {
  HWY_ASSERT(values.size() == approximations.size());
  Lanes lanes;
  for (std::size_t at = 0; at < values.size(); at += kLanes) {
    const std::size_t left = std::min(kLanes, values.size() - at);
    float a[kLanes] = {};
    float b[kLanes] = {};
    std::copy_n(values.data() + at, left, a);
    std::copy_n(approximations.data() + at, left, b);
    for (std::size_t i = 0; i < left; ++i) {
      if (std::isfinite(a[i]) && std::isfinite(b[i])) continue;
      if (a[i] != b[i] && !(std::isnan(a[i]) && std::isnan(b[i]))) {
        ++differing_;
        max_abs_ = squared_error_ = std::numeric_limits<double>::infinity();
      }
      a[i] = b[i] = 0;
    }
    AddFinite(a, b, lanes);
  }
  count_ += values.size();
  squared_error_ += Total(lanes.squared_error);
  squared_value_ += Total(lanes.squared_value);
  squared_approximation_ += Total(lanes.squared_approximation);
  product_ += Total(lanes.product);
  for (std::size_t i = 0; i < kLanes; ++i) {
    max_abs_ = std::max(max_abs_, lanes.max_abs[i]);
    differing_ += lanes.differing[i];
  }
}

void Distortion::Merge(const Distortion& other) {
  count_ += other.count_;
  differing_ += other.differing_;
  max_abs_ = std::max(max_abs_, other.max_abs_);
  squared_error_ += other.squared_error_;
  squared_value_ += other.squared_value_;
  squared_approximation_ += other.squared_approximation_;
  product_ += other.product_;
}

double Distortion::mse() const {
  return count_ == 0 ? 0 : squared_error_ / static_cast<double>(count_);
}

double Distortion::sqnr_db() const {
  if (squared_error_ == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(squared_value_ / squared_error_);
}

double Distortion::cosine() const {
  if (differing_ == 0) return 1;
  const double norms = std::sqrt(squared_value_) * std::sqrt(squared_approximation_);
  return norms == 0 ? 0 : product_ / norms;
}

double Distortion::scale() const {
  return differing_ == 0 || squared_value_ == 0 ? 1 : product_ / squared_value_;
}

}  // namespace onnxquant::kernels
