#include "lib/analysis/rope_fit.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace onnxquant {
namespace {

constexpr double kTurn = 2 * 3.14159265358979323846;
// Beyond it float32 does not hold every position.
constexpr std::int64_t kMostRows = std::int64_t{1} << 24;
// Rows from which a frequency is estimated, and how many more are looked at one by one where values
// of 16 bits, which say less each, contradict that.
constexpr std::int64_t kSampled = 512;
constexpr int kCorrections = 64;
// Neighbours of the estimate that are tried, in the order of their distance.
constexpr int kSteps[] = {0, 1, -1, 2, -2, 3, -3};

int MantissaBits(ElementType type) {
  return type == ElementType::kFloat16 ? 10 : type == ElementType::kBFloat16 ? 7 : 23;
}

// The distance of neighbouring numbers of the type around `value`.
double Spacing(ElementType type, double value) {
  constexpr int kHalfLeastExponent = -14;
  int exponent = value == 0 || !std::isfinite(value) ? -126 : std::ilogb(value);
  if (type == ElementType::kFloat16) exponent = std::max(exponent, kHalfLeastExponent);
  return std::ldexp(1.0, exponent - MantissaBits(type));
}

float Neighbour(float number, int steps) {
  const float towards =
      steps < 0 ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  for (int i = 0; i < std::abs(steps); ++i) number = std::nextafter(number, towards);
  return number;
}

// The angle as the nodes that make a table compute it.
double Angle(std::int64_t position, float frequency) {
  const float angle = static_cast<float>(position) * frequency;
  return static_cast<double>(angle);
}

class Fitter {
 public:
  explicit Fitter(const RopeTables& tables)
      : tables_(tables),
        rows_(tables.columns == 0
                  ? 0
                  : static_cast<std::int64_t>(tables.cosines.size()) / tables.columns) {}

  RopeFit Run() {
    if (rows_ < 2) return Refuse("they have too few rows to tell their frequencies");
    if (rows_ > kMostRows) return Refuse("they have more rows than float32 has whole numbers");
    FindFactor();
    if (!fit_.ok()) return fit_;
    for (std::int64_t column = 0; column < tables_.columns; ++column) {
      fit_.frequencies.push_back(FrequencyOf(column));
    }
    Check();
    return fit_;
  }

 private:
  double Cosine(std::int64_t row, std::int64_t column) const {
    return static_cast<double>(
        tables_.cosines[static_cast<std::size_t>(row * tables_.columns + column)]);
  }
  double Sine(std::int64_t row, std::int64_t column) const {
    return static_cast<double>(
        tables_.sines[static_cast<std::size_t>(row * tables_.columns + column)]);
  }
  bool IsRounded() const { return IsHalf(tables_.type); }

  RopeFit Refuse(std::string reason) {
    fit_.frequencies.clear();
    fit_.reason = std::move(reason);
    return fit_;
  }

  // At position 0 the cosines are the factor itself.
  void FindFactor() {
    const double first = Cosine(0, 0);
    for (std::int64_t column = 0; column < tables_.columns; ++column) {
      const double cosine = Cosine(0, column);
      const double sine = Sine(0, column);
      if (cosine == first && sine == 0 && first > 0 && std::isfinite(first)) continue;
      Refuse(absl::StrCat("their first row is not that of position 0: column ", column,
                          " holds the cosine ", Text(cosine), " and the sine ", Text(sine)));
      return;
    }
    fit_.factor = static_cast<float>(first);
    if (IsRounded() && first != 1) {
      Refuse(absl::StrCat("their factor ", Text(first), " is known in 16 bits alone"));
    }
  }

  // The phase at a row, as many turns away as `frequency` says.
  double Unwrapped(std::int64_t row, std::int64_t column, double frequency) const {
    const double phase = std::atan2(Sine(row, column), Cosine(row, column));
    const double wanted = frequency * static_cast<double>(row);
    return phase + kTurn * std::nearbyint((wanted - phase) / kTurn);
  }

  // How far a value may be off: by its own rounding, or in float32 by what implementations of sine
  // and a factor make of it.
  double Rounding(double value) const {
    constexpr double kUnits = 3;
    return IsRounded() ? Spacing(tables_.type, value) / 2
                       : Spacing(ElementType::kFloat, value) * kUnits;
  }

  // Rows at equal distances, from the last on.
  std::vector<std::int64_t> SampledRows() const {
    const std::int64_t last = rows_ - 1;
    const std::int64_t count = std::min(last, kSampled);
    std::vector<std::int64_t> rows;
    for (std::int64_t i = count; i > 0; --i) rows.push_back(last * i / count);
    return rows;
  }

  // What rows have left for a column's frequency.
  struct Interval {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
    double Middle() const { return (low + high) / 2; }
  };

  // A value leaves an interval for the phase, where it is known on which side of its peak that
  // lies. The cosine is the sine a quarter turn ahead.
  void NarrowBy(std::int64_t row, double value, double phase, double ahead, Interval& left) const {
    constexpr double kAtPeak = 0.05;
    const double slope = std::cos(phase + ahead);
    if (std::fabs(slope) < kAtPeak) return;
    const auto phase_of = [&](double sine) {
      const double rising = std::asin(std::clamp(sine, -1.0, 1.0));
      const double at = (slope < 0 ? kTurn / 2 - rising : rising) - ahead;
      return at + kTurn * std::nearbyint((phase - at) / kTurn);
    };
    const double sine = value / static_cast<double>(fit_.factor);
    const double rounding = slope < 0 ? -Rounding(sine) : Rounding(sine);
    const double of_angle = Spacing(ElementType::kFloat, phase) / 2;
    const auto position = static_cast<double>(row);
    left.low = std::max(left.low, (phase_of(sine - rounding) - of_angle) / position);
    left.high = std::min(left.high, (phase_of(sine + rounding) + of_angle) / position);
  }
  void NarrowBy(std::int64_t row, std::int64_t column, double frequency, Interval& left) const {
    const double phase = Unwrapped(row, column, frequency);
    NarrowBy(row, Sine(row, column), phase, 0, left);
    NarrowBy(row, Cosine(row, column), phase, kTurn / 4, left);
  }

  float FrequencyOf(std::int64_t column) const {
    const std::int64_t last = rows_ - 1;
    double rough = 0;
    for (std::int64_t row = 1;; row = std::min(2 * row, last)) {
      rough = Unwrapped(row, column, rough) / static_cast<double>(row);
      if (row == last) break;
    }
    Interval left;
    std::vector<std::int64_t> rows = SampledRows();
    for (const std::int64_t row : rows) NarrowBy(row, column, rough, left);
    float frequency = Choose(rows, column, left.Middle());
    for (int i = 0; IsRounded() && i < kCorrections; ++i) {
      constexpr double kContradiction = 1e-6;
      if (left.low - left.high > kContradiction * std::fabs(left.high)) break;
      const std::int64_t row = WorstRow(column, frequency);
      if (row == 0) break;
      rows.push_back(row);
      NarrowBy(row, column, rough, left);
      frequency = Choose(rows, column, left.Middle());
    }
    return frequency;
  }

  // Where the column differs most from what the frequency gives; 0: nowhere by too much.
  std::int64_t WorstRow(std::int64_t column, float frequency) const {
    std::int64_t worst = 0;
    double most = kRopeTolerance;
    for (std::int64_t row = 1; row < rows_; ++row) {
      const double angle = Angle(row, frequency);
      const double excess = std::max(Excess(Cosine(row, column), std::cos(angle)),
                                     Excess(Sine(row, column), std::sin(angle)));
      if (excess <= most) continue;
      most = excess;
      worst = row;
    }
    return worst;
  }

  // The difference of a stored value to the computed one, but for its rounding.
  double Excess(double stored, double computed) const {
    const double difference = std::fabs(stored - computed);
    if (!IsRounded()) return difference;
    const double excess = difference - Spacing(tables_.type, stored) / 2;
    return excess < 0 ? 0 : excess;  // what is no number stays so
  }

  // The float32 number by the estimate that reproduces the rows best.
  float Choose(const std::vector<std::int64_t>& rows, std::int64_t column, double estimate) const {
    const auto nearest = static_cast<float>(estimate);
    const auto factor = static_cast<double>(fit_.factor);
    float best = nearest;
    double least = std::numeric_limits<double>::infinity();
    for (const int steps : kSteps) {
      const float frequency = Neighbour(nearest, steps);
      double sum = 0;
      for (const std::int64_t row : rows) {
        const double angle = Angle(row, frequency);
        sum += std::pow(Excess(Cosine(row, column), factor * std::cos(angle)), 2) +
               std::pow(Excess(Sine(row, column), factor * std::sin(angle)), 2);
        if (sum >= least) break;
      }
      if (sum < least) {
        least = sum;
        best = frequency;
      }
      if (least == 0) break;
    }
    return best;
  }

  // Every value of both tables, until one is too far off.
  void Check() {
    const auto factor = static_cast<double>(fit_.factor);
    const double scale = factor <= 1 ? 1 : std::exp2(std::ceil(std::log2(factor)));
    const double tolerance = kRopeTolerance * scale;
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t column = 0; column < tables_.columns; ++column) {
        const double angle = Angle(row, Frequency(column));
        const double cosine = factor * std::cos(angle);
        const double sine = factor * std::sin(angle);
        const double of_cosine = Excess(Cosine(row, column), cosine);
        const double of_sine = Excess(Sine(row, column), sine);
        if (of_cosine <= tolerance && of_sine <= tolerance) {
          fit_.difference = std::max({fit_.difference, of_cosine, of_sine});
          continue;
        }
        const bool is_cosine = !(of_cosine <= tolerance);
        Refuse(absl::StrCat("at position ", row, " column ", column, " holds the ",
                            is_cosine ? "cosine " : "sine ",
                            Text(is_cosine ? Cosine(row, column) : Sine(row, column)),
                            ", where the frequency ", Text(static_cast<double>(Frequency(column))),
                            " gives ", Text(is_cosine ? cosine : sine), ", more than ",
                            Text(tolerance), IsRounded() ? " and its rounding away" : " away"));
        return;
      }
    }
  }

  float Frequency(std::int64_t column) const {
    return fit_.frequencies[static_cast<std::size_t>(column)];
  }
  static std::string Text(double number) { return absl::StrFormat("%.9g", number); }

  const RopeTables& tables_;
  const std::int64_t rows_;
  RopeFit fit_;
};

}  // namespace

RopeFit FitRope(const RopeTables& tables) {
  return Fitter(tables).Run();
}

}  // namespace onnxquant
