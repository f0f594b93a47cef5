// The first pass of GPTQ over a group of rows. Included once per target.
#if defined(ONNXQUANT_LIB_METHODS_FEEDBACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_METHODS_FEEDBACK_INL_H_
#undef ONNXQUANT_LIB_METHODS_FEEDBACK_INL_H_
#else
#define ONNXQUANT_LIB_METHODS_FEEDBACK_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <limits>

#include "hwy/highway.h"
#include "lib/methods/gptq_group.h"
#include "lib/methods/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::methods::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The candidates of the least scores, best first; of equal scores the earlier one first.
class Shortlist {
 public:
  HWY_INLINE explicit Shortlist(std::size_t size) : size_(size) {
    const DF d;
    for (std::size_t at = 0; at < size_; ++at) {
      hn::Store(hn::Set(d, std::numeric_limits<float>::infinity()), d, scores_[at]);
      hn::Store(hn::Set(d, 1.0F), d, scales_[at]);
      hn::Store(hn::Zero(d), d, zeros_[at]);
    }
  }

  HWY_INLINE void Offer(VF score, VF scale, VF zero) {
    const DF d;
    if (hn::AllFalse(d, hn::Lt(score, hn::Load(d, scores_[size_ - 1])))) return;
    MF shift = hn::MaskFromVec(hn::Zero(d));
    for (std::size_t at = 0; at < size_; ++at) {
      const VF had_score = hn::Load(d, scores_[at]);
      const VF had_scale = hn::Load(d, scales_[at]);
      const VF had_zero = hn::Load(d, zeros_[at]);
      // What is pushed out goes to the next place, whatever is there.
      shift = hn::Or(shift, hn::Lt(score, had_score));
      hn::Store(hn::IfThenElse(shift, score, had_score), d, scores_[at]);
      hn::Store(hn::IfThenElse(shift, scale, had_scale), d, scales_[at]);
      hn::Store(hn::IfThenElse(shift, zero, had_zero), d, zeros_[at]);
      score = hn::IfThenElse(shift, had_score, score);
      scale = hn::IfThenElse(shift, had_scale, scale);
      zero = hn::IfThenElse(shift, had_zero, zero);
    }
  }

  HWY_INLINE std::size_t Size() const { return size_; }
  HWY_INLINE MF Taken(std::size_t at) const {
    const DF d;
    return hn::Lt(hn::Load(d, scores_[at]), hn::Set(d, std::numeric_limits<float>::infinity()));
  }
  HWY_INLINE VF Scale(std::size_t at) const { return hn::Load(DF(), scales_[at]); }
  HWY_INLINE VF Zero(std::size_t at) const { return hn::Load(DF(), zeros_[at]); }

 private:
  std::size_t size_;
  HWY_ALIGN float scores_[kMostCandidates][16];
  HWY_ALIGN float scales_[kMostCandidates][16];
  HWY_ALIGN float zeros_[kMostCandidates][16];
};

// Codes of a block with feedback inside it, and what is passed on, into scratch.codes and .errors.
// The sum of squares of the latter.
HWY_INLINE VF Follow(const GridNumbers& grid, const Block& block, VF scale, VF zero,
                     GptqScratch& scratch) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  const CodeBounds bounds = BoundsOf(grid, zero);
  float* const x = scratch.x.get();
  for (std::size_t i = 0; i < block.size; ++i) {
    hn::Store(hn::Load(d, block.x + i * block.stride), d, x + i * lanes);
  }
  VF sum = hn::Zero(d);
  for (std::size_t i = 0; i < block.size; ++i) {
    const VF value = hn::Load(d, x + i * lanes);
    const VF code = Clamped(hn::Div(value, scale), bounds);
    const VF error = hn::Div(hn::NegMulAdd(code, scale, value), hn::Set(d, scratch.diagonal[i]));
    sum = hn::MulAdd(error, error, sum);
    hn::Store(code, d, scratch.codes.get() + i * lanes);
    hn::Store(error, d, scratch.errors.get() + i * lanes);
    const float* const row = scratch.tile.get() + i * block.size;
    for (std::size_t j = i + 1; j < block.size; ++j) {
      const VF later = hn::Load(d, x + j * lanes);
      hn::Store(hn::NegMulAdd(hn::Set(d, row[j]), error, later), d, x + j * lanes);
    }
  }
  return sum;
}

// Scale, zero point, codes and errors of one block of a vector of rows.
HWY_INLINE void ChooseBlock(const GptqProblem& problem, const Block& block, std::size_t first,
                            std::size_t b, std::size_t lane, Group& group, GptqScratch& scratch) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  Shortlist shortlist(problem.candidates);
  TryScales(problem.grid, RangeOf(block), [&](VF scale, VF zero, MF valid) HWY_ATTR {
    const VF score = ErrorOf(problem.grid, block, scratch.importance.get(), scale, zero);
    const VF never = hn::Set(d, std::numeric_limits<float>::infinity());
    shortlist.Offer(hn::IfThenElse(valid, score, never), scale, zero);
  });
  VF best = hn::Set(d, std::numeric_limits<float>::infinity());
  float* const codes = group.codes.get() + first * kGroup + lane;
  float* const errors = scratch.residuals.get() + first * kGroup + lane;
  float* const scales = group.scales.get() + b * kGroup + lane;
  float* const zeros = group.zeros.get() + b * kGroup + lane;
  for (std::size_t at = 0; at < shortlist.Size(); ++at) {
    const MF taken = shortlist.Taken(at);
    if (at > 0 && hn::AllFalse(d, taken)) break;
    const VF scale = shortlist.Scale(at);
    const VF zero = shortlist.Zero(at);
    const VF sum = Follow(problem.grid, block, scale, zero, scratch);
    // The first one is kept whatever it gives, so that there is one.
    const MF better = at == 0 ? hn::Eq(scale, scale) : hn::And(taken, hn::Lt(sum, best));
    if (hn::AllFalse(d, better)) continue;
    const auto keep = [&](VF found, float* kept) HWY_ATTR {
      hn::Store(hn::IfThenElse(better, found, hn::Load(d, kept)), d, kept);
    };
    best = hn::IfThenElse(better, sum, best);
    keep(scale, scales);
    keep(zero, zeros);
    for (std::size_t i = 0; i < block.size; ++i) {
      keep(hn::Load(d, scratch.codes.get() + i * lanes), codes + i * kGroup);
      keep(hn::Load(d, scratch.errors.get() + i * lanes), errors + i * kGroup);
    }
  }
}

// Afterwards scratch.residuals holds what the columns passed on.
HWY_INLINE void Feedback(const GptqProblem& problem, Group& group, GptqScratch& scratch) {
  const DF d;
  const GroupSizes& sizes = problem.sizes;
  const std::size_t k = sizes.columns;
  for (std::size_t b = 0; b < sizes.blocks; ++b) {
    const std::size_t first = b * sizes.block;
    const std::size_t size = sizes.BlockSize(b);
    std::copy_n(group.weights.get() + first * kGroup, size * kGroup, scratch.block.get());
    Product<true>(size, kGroup, first, {problem.factor + first * k, k},
                  {scratch.residuals.get(), kGroup}, scratch.block.get(), kGroup);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = i; j < size; ++j) {
        scratch.tile[i * size + j] = problem.factor[(first + j) * k + first + i];
      }
      const float diagonal = scratch.tile[i * size + i];
      scratch.diagonal[i] = diagonal;
      scratch.importance[i] = 1.0F / (diagonal * diagonal);
    }
    for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
      ChooseBlock(problem, {scratch.block.get() + lane, kGroup, size}, first, b, lane, group,
                  scratch);
    }
  }
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
