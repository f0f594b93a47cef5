#include "lib/analysis/rope_fit.h"

#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

constexpr double kTurn = 6.283185307179586;

struct Pair {
  std::vector<float> cosines;
  std::vector<float> sines;
  std::int64_t columns = 0;
  ElementType type = ElementType::kFloat;

  RopeFit Fit() const { return FitRope({cosines, sines, columns, type}); }

  // As a model in 16 bits stores it.
  Pair In16Bits(ElementType wanted) const {
    Pair pair = *this;
    pair.type = wanted;
    for (std::vector<float>* values : {&pair.cosines, &pair.sines}) {
      std::vector<std::uint16_t> bits(values->size());
      if (wanted == ElementType::kFloat16) {
        kernels::FloatToHalf(*values, absl::MakeSpan(bits), kernels::OverflowMode::kClamp);
        kernels::HalfToFloat(bits, absl::MakeSpan(*values));
      } else {
        kernels::FloatToBFloat16(*values, absl::MakeSpan(bits), kernels::OverflowMode::kClamp);
        kernels::BFloat16ToFloat(bits, absl::MakeSpan(*values));
      }
    }
    return pair;
  }
};

std::vector<float> Plain(std::int64_t columns, double theta) {
  std::vector<float> frequencies;
  for (std::int64_t j = 0; j < columns; ++j) {
    const double exponent = static_cast<double>(j) / static_cast<double>(columns);
    frequencies.push_back(static_cast<float>(std::pow(theta, -exponent)));
  }
  return frequencies;
}

// As exporters make them: angles, cosines and their product with the factor in float32.
Pair Make(const std::vector<float>& frequencies, std::int64_t rows, float factor = 1) {
  Pair pair;
  pair.columns = static_cast<std::int64_t>(frequencies.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    for (const float frequency : frequencies) {
      const float angle = static_cast<float>(row) * frequency;
      pair.cosines.push_back(std::cos(angle) * factor);
      pair.sines.push_back(std::sin(angle) * factor);
    }
  }
  return pair;
}

// Wavelengths beyond the trained context are stretched, those near it in part.
std::vector<float> Llama3(std::vector<float> frequencies) {
  for (float& frequency : frequencies) {
    const double context = 8192;
    const double wavelength = kTurn / static_cast<double>(frequency);
    const double blend = (context / wavelength - 1) / (4 - 1);
    const double wide = static_cast<double>(frequency) / 8;
    if (wavelength > context) {
      frequency = static_cast<float>(wide);
    } else if (wavelength > context / 4) {
      frequency = static_cast<float>((1 - blend) * wide + blend * static_cast<double>(frequency));
    }
  }
  return frequencies;
}

std::vector<float> Yarn(std::vector<float> frequencies, double by) {
  const auto columns = static_cast<double>(frequencies.size());
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const double ramp = std::clamp((static_cast<double>(j) - columns / 4) / (columns / 2), 0., 1.);
    const auto frequency = static_cast<double>(frequencies[j]);
    frequencies[j] = static_cast<float>(frequency * (1 - ramp) + frequency / by * ramp);
  }
  return frequencies;
}

TEST(RopeFitTest, FindsEveryFrequencyOfAPlainTableBitForBit) {
  for (const double theta : {1e4, 1e6}) {
    const std::vector<float> frequencies = Plain(32, theta);
    const RopeFit fit = Make(frequencies, 4096).Fit();
    ASSERT_TRUE(fit.ok()) << fit.reason;
    EXPECT_EQ(fit.frequencies, frequencies);
    EXPECT_EQ(fit.factor, 1.0F);
    EXPECT_GT(fit.difference, 0);
    EXPECT_LE(fit.difference, 6.1e-8);
  }
}

TEST(RopeFitTest, FindsFrequenciesWhereTheLastPositionIsTheFarthestOfALongContext) {
  const std::vector<float> frequencies = Plain(4, 1e4);
  const RopeFit fit = Make(frequencies, 131'072).Fit();
  ASSERT_TRUE(fit.ok()) << fit.reason;
  EXPECT_EQ(fit.frequencies, frequencies);
}

TEST(RopeFitTest, FindsFrequenciesThatAreScaledColumnByColumn) {
  std::vector<float> linear = Plain(16, 1e6);
  for (float& frequency : linear) frequency /= 8.0F;
  for (const std::vector<float>& scaled : {linear, Llama3(Plain(16, 5e5))}) {
    const RopeFit fit = Make(scaled, 4096).Fit();
    ASSERT_TRUE(fit.ok()) << fit.reason;
    EXPECT_EQ(fit.frequencies, scaled);
    EXPECT_EQ(fit.factor, 1.0F);
  }
}

TEST(RopeFitTest, FindsTheAttentionFactorOfYarn) {
  for (const double by : {4., 40.}) {
    const std::vector<float> frequencies = Yarn(Plain(32, 1e4), by);
    const auto factor = static_cast<float>(0.1 * std::log(by) + 1);
    const RopeFit fit = Make(frequencies, 4096, factor).Fit();
    ASSERT_TRUE(fit.ok()) << fit.reason;
    EXPECT_EQ(fit.frequencies, frequencies);
    EXPECT_EQ(fit.factor, factor);
    EXPECT_LE(fit.difference, 2e-7);
  }
}

TEST(RopeFitTest, FindsColumnsThatDoNotTurnAndColumnsThatRepeat) {
  const std::vector<float> frequencies = {1.0F, 0.25F, 0.0F, 1.0F, 0.25F, 0.0F};
  const RopeFit fit = Make(frequencies, 64).Fit();
  ASSERT_TRUE(fit.ok()) << fit.reason;
  EXPECT_EQ(fit.frequencies, frequencies);
}

TEST(RopeFitTest, TablesOf16BitsAreReproducedButForTheirRounding) {
  for (const ElementType type : {ElementType::kFloat16, ElementType::kBFloat16}) {
    for (const std::int64_t rows : {64, 4096, 32'768}) {
      const Pair exact = Make(Plain(16, 1e6), rows);
      const RopeFit fit = exact.In16Bits(type).Fit();
      ASSERT_TRUE(fit.ok()) << fit.reason;
      EXPECT_LE(fit.difference, kRopeTolerance);
      // What is made of it is nearer to the truth than the table was.
      const Pair made = Make(fit.frequencies, rows);
      double worst = 0;
      for (std::size_t i = 0; i < made.sines.size(); ++i) {
        worst = std::max(worst, static_cast<double>(std::fabs(made.sines[i] - exact.sines[i])));
      }
      EXPECT_LE(worst, type == ElementType::kFloat16 ? 1e-4 : 1e-3) << rows;
    }
  }
}

TEST(RopeFitTest, AFactorThatIsKnownIn16BitsAloneIsRefused) {
  const Pair pair = Make(Plain(8, 1e4), 128, 1.25F);
  EXPECT_TRUE(pair.Fit().ok());
  EXPECT_THAT(pair.In16Bits(ElementType::kFloat16).Fit().reason,
              HasSubstr("their factor 1.25 is known in 16 bits alone"));
}

TEST(RopeFitTest, NoiseIsRefusedWithThePlaceThatShowsIt) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> values(-1, 1);
  Pair pair = Make(Plain(8, 1e4), 128);
  for (std::size_t i = 8; i < pair.cosines.size(); ++i) {
    pair.cosines[i] = values(random);
    pair.sines[i] = values(random);
  }
  const RopeFit fit = pair.Fit();
  EXPECT_FALSE(fit.ok());
  EXPECT_THAT(fit.reason, HasSubstr("at position 1 column "));
  EXPECT_TRUE(fit.frequencies.empty());
}

TEST(RopeFitTest, OneValueThatIsOffByMoreThanTheToleranceIsFound) {
  const auto reason_with = [](double off) {
    Pair pair = Make(Plain(8, 1e4), 128);
    float& value = pair.sines[100 * 8 + 3];
    value = static_cast<float>(static_cast<double>(value) + off);
    return pair.Fit().reason;
  };
  EXPECT_THAT(reason_with(3e-7), HasSubstr("at position 100 column 3 holds the sine "));
  EXPECT_THAT(reason_with(3e-7), HasSubstr("where the frequency 0.0316227749 gives"));
  EXPECT_EQ(reason_with(0), "");
}

TEST(RopeFitTest, AnglesThatWereNotRoundedToFloat32AreRefused) {
  Pair pair = Make(Plain(8, 1e4), 4096);
  for (std::size_t i = 0; i < pair.sines.size(); ++i) {
    const double angle =
        static_cast<double>(i / 8) * std::pow(1e4, -static_cast<double>(i % 8) / 8);
    pair.cosines[i] = static_cast<float>(std::cos(angle));
    pair.sines[i] = static_cast<float>(std::sin(angle));
  }
  EXPECT_THAT(pair.Fit().reason, HasSubstr("more than 1e-07 away"));
}

TEST(RopeFitTest, TablesThatBeginElsewhereAreRefused) {
  Pair pair = Make(Plain(8, 1e4), 128);
  pair.cosines.erase(pair.cosines.begin(), pair.cosines.begin() + 8);
  pair.sines.erase(pair.sines.begin(), pair.sines.begin() + 8);
  EXPECT_THAT(pair.Fit().reason, HasSubstr("their first row is not that of position 0: column 0"));
}

TEST(RopeFitTest, SwappedTablesAreRefused) {
  Pair pair = Make(Plain(8, 1e4), 128);
  std::swap(pair.cosines, pair.sines);
  EXPECT_THAT(pair.Fit().reason, HasSubstr("their first row"));
}

TEST(RopeFitTest, ValuesThatAreNoNumbersAreRefused) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t place : {0, 8 * 50 + 2, 8 * 127}) {
      Pair pair = Make(Plain(8, 1e4), 128);
      pair.cosines[place] = value;
      EXPECT_FALSE(pair.Fit().ok());
      EXPECT_FALSE(pair.In16Bits(ElementType::kFloat16).Fit().ok());
    }
  }
}

TEST(RopeFitTest, TablesOfOneRowOrNoneAreRefused) {
  EXPECT_THAT(Make(Plain(8, 1e4), 1).Fit().reason, HasSubstr("too few rows"));
  EXPECT_THAT(Pair{}.Fit().reason, HasSubstr("too few rows"));
}

}  // namespace
}  // namespace onnxquant
