#include "lib/policy/take_lattice.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/formats/formats.h"

namespace onnxquant {
namespace {

constexpr float kLeastNormalHalf = 6.103515625e-05F;
constexpr float kMostHalf = 65504;

const Lattice* Find(const PlanContext& context, ValueId weight) {
  if (context.lattices == nullptr) return nullptr;
  const auto found = context.lattices->find(weight);
  return found == context.lattices->end() ? nullptr : &found->second;
}

// The axis of the constant along which the form has its blocks.
int AxisOfBlocks(const WeightReading& reading, const Stored& stored) {
  if (reading.dims.size() == 2) return stored.transposed ? 1 : 0;
  return stored.transposed && reading.dims.back() == stored.k ? 2 : 1;
}

// What scales become that are to be float16 numbers.
enum class Scales { kExact, kRounded, kOutOfRange };

Scales ScalesIn(ElementType type, const Lattice& lattice, int exponent) {
  if (type != ElementType::kFloat16 || lattice.most_scale == 0) return Scales::kExact;
  const float least = std::ldexp(lattice.least_scale, exponent);
  if (std::ldexp(lattice.most_scale, exponent) > kMostHalf) return Scales::kOutOfRange;
  if (lattice.half_scales && (exponent == 0 || least >= kLeastNormalHalf)) return Scales::kExact;
  return least >= kLeastNormalHalf ? Scales::kRounded : Scales::kOutOfRange;
}

// The grid's form, or a clause that says why it is not taken.
struct Taken {
  Stored stored;
  std::string reason;
};

Taken FormOf(const Lattice& lattice, const WeightReading& reading, const Resolved& resolved,
             int exponent, const Stored& asked) {
  if (lattice.kind == Lattice::Kind::kMinimum) return {{}, "whose minimums no format holds"};
  if (lattice.exact < lattice.blocks) return {{}, "on which not every block lies"};
  const auto grid = GridThatHolds(lattice, asked.format.bits, asked.format.block);
  if (!grid) return {{}, absl::StrCat("which ", asked.format.word, " does not hold")};
  if (!lattice.one_scale && lattice.axis != AxisOfBlocks(reading, asked)) {
    return {{}, "whose blocks lie across those of the format"};
  }
  if (exponent != 0 && lattice.rounding == methods::Rounding::kHalf) {
    return {{}, "which does not outlast scaling the residual stream"};
  }
  WeightFormat format = *FormatOfWord(absl::StrCat("int", grid->bits));
  format.block = grid->block;
  format.symmetric = grid->symmetric;
  const FormatFit fit = FindFit(format, reading, resolved.weights_by_rule);
  if (!fit.ok()) return {{}, absl::StrCat("but ", fit.reason)};
  if (!fit.stored.form->takes_method || fit.stored.form != asked.form) {
    return {{}, "which its reader does not take in blocks"};
  }
  WeightFormat wanted = asked.format;
  wanted.source = format.source;
  if (!asked.form->together.empty() && format != wanted) {
    return {{}, absl::StrCat("but ", reading.op, " reads all its tables in one format")};
  }
  if (ScalesIn(fit.stored.scale, lattice, exponent) == Scales::kOutOfRange) {
    return {{}, "whose scales float16 does not hold"};
  }
  return {fit.stored, ""};
}

}  // namespace

bool HoldsLattice(const PlanContext& context, ValueId weight) {
  constexpr int kMostBits = 8;
  constexpr std::int64_t kAnyBlock = 32;
  const Lattice* lattice = Find(context, weight);
  return lattice != nullptr && GridThatHolds(*lattice, kMostBits, kAnyBlock).has_value();
}

TakenLattice TakeLattice(const PlanContext& context, const WeightUse& use,
                         const WeightReading& reading, const Resolved& resolved, int exponent,
                         Stored& stored) {
  TakenLattice result;
  if (resolved.method != methods::Method::kLattice || !stored.form->takes_method) return result;
  const Lattice* lattice = Find(context, use.weight);
  const std::string search = absl::StrCat("method: ", RowOf(methods::Method::kSearch).word);
  if (lattice == nullptr) {
    result.why.emplace("the lack of a grid", search);
    return result;
  }
  const std::string grid = absl::StrCat("its grid (", ToString(*lattice), ")");
  Taken taken = FormOf(*lattice, reading, resolved, exponent, stored);
  if (!taken.reason.empty()) {
    result.why.emplace(absl::StrCat(grid, ", ", taken.reason, ","), search);
    return result;
  }
  stored = std::move(taken.stored);
  result.taken = true;
  result.choice.method = methods::Method::kLattice;
  result.choice.rounding = lattice->rounding;
  const bool exact = ScalesIn(stored.scale, *lattice, exponent) == Scales::kExact;
  result.why.emplace(grid, absl::StrCat("weights: ", ToString(stored.format),
                                        exact ? ", without loss"
                                              : ", with the same codes and scales rounded to "
                                                "float16"));
  return result;
}

}  // namespace onnxquant
