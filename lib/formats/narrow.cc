#include "lib/formats/narrow.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr double kHalfLargest = 65504.0;

// The largest finite number, and the smallest above zero, as messages say them.
struct Limits {
  const char* largest;
  const char* smallest;
};
Limits LimitsOf(ElementType type) {
  if (type == ElementType::kFloat) return {"3.4e38", "1.4e-45"};
  return type == ElementType::kBFloat16 ? Limits{"3.39e38", "9.2e-41"} : Limits{"65504", "6e-8"};
}

}  // namespace

std::string DescribeOverflow(const kernels::NarrowStats& stats, ElementType type, Overflow overflow,
                             const std::string& what, double limit) {
  if (stats.overflowed == 0) return "";
  if (limit > 0) {
    return absl::StrCat(what, ": ", stats.overflowed,
                        stats.overflowed == 1 ? " value lies" : " values lie", " beyond ", limit,
                        ", where ", limit < kHalfLargest ? "sums of mask fills" : "mask fills",
                        " end in float16", " (the largest magnitude is ", stats.peak,
                        "); clamped to ±", limit, " as the policy says");
  }
  const char* largest = LimitsOf(type).largest;
  const std::string found = absl::StrCat(
      what, ": ", stats.overflowed, stats.overflowed == 1 ? " value lies" : " values lie",
      " beyond ", NameOf(type), "'s ", largest, " (the largest magnitude is ", stats.peak, ")");
  switch (overflow) {
    case Overflow::kClamp:
      return absl::StrCat(found, "; clamped to ±", largest, " as the policy says");
    case Overflow::kInfinity:
      return absl::StrCat(found, "; made infinite as the policy says");
    case Overflow::kError:
      break;
  }
  return absl::StrCat(found,
                      type == ElementType::kFloat
                          ? "; keep it in float64 with a rule (keep: true), or say "
                          : "; keep it in float32 with a rule (weights: float32), or say ",
                      "'constants: {overflow: clamp}'");
}

std::string DescribeVanished(const kernels::NarrowStats& stats, ElementType type,
                             std::size_t elements, const std::string& what) {
  constexpr std::size_t kFew = 16;
  if (stats.underflowed == 0 || elements > kFew) return "";
  return absl::StrCat(what, ": ", stats.underflowed, stats.underflowed == 1 ? " value" : " values",
                      " became 0 in ", NameOf(type), ", whose smallest number is ",
                      LimitsOf(type).smallest,
                      "; if something divides by it, keep its node in float32");
}

kernels::OverflowMode ModeOf(Overflow overflow) {
  return overflow == Overflow::kClamp ? kernels::OverflowMode::kClamp
                                      : kernels::OverflowMode::kInfinity;
}

kernels::NarrowStats Limit(absl::Span<float> numbers, double limit) {
  kernels::NarrowStats beyond;
  if (limit <= 0) return beyond;
  const auto most = static_cast<float>(limit);
  for (float& number : numbers) {
    if (!std::isfinite(number) || std::abs(number) <= most) continue;
    ++beyond.overflowed;
    beyond.peak = std::max(beyond.peak, static_cast<double>(std::abs(number)));
    number = std::copysign(most, number);
  }
  return beyond;
}

kernels::NarrowStats Narrow(absl::Span<const float> in, ElementType type, Overflow overflow,
                            absl::Span<std::uint16_t> out, double limit) {
  if (limit > 0) {
    std::vector<float> limited(in.begin(), in.end());
    kernels::NarrowStats beyond = Limit(absl::MakeSpan(limited), limit);
    beyond.Merge(Narrow(limited, type, overflow, out));
    return beyond;
  }
  const kernels::OverflowMode mode = ModeOf(overflow);
  return type == ElementType::kBFloat16 ? kernels::FloatToBFloat16(in, out, mode)
                                        : kernels::FloatToHalf(in, out, mode);
}

absl::Status NarrowAccount::Add(const kernels::NarrowStats& stats) {
  const std::lock_guard<std::mutex> lock(mutex_);
  stats_.Merge(stats);
  if (overflow_ != Overflow::kError || stats_.overflowed == 0) return absl::OkStatus();
  return ModelError(DescribeOverflow(stats_, type_, Overflow::kError, what_));
}

void NarrowAccount::Warn(std::size_t elements, std::vector<std::string>& warnings) const {
  for (std::string message : {DescribeOverflow(stats_, type_, overflow_, what_, limit_),
                              DescribeVanished(stats_, type_, elements, what_)}) {
    if (!message.empty()) warnings.push_back(std::move(message));
  }
}

}  // namespace onnxquant
