// Refinements of a group's scales and codes with the whole matrix of moments. Included once per
// target.
#if defined(ONNXQUANT_LIB_METHODS_REFINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_METHODS_REFINE_INL_H_
#undef ONNXQUANT_LIB_METHODS_REFINE_INL_H_
#else
#define ONNXQUANT_LIB_METHODS_REFINE_INL_H_
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

// residuals = weights - codes * scales.
HWY_INLINE void Residuals(const GptqProblem& problem, const Group& group, GptqScratch& scratch) {
  const DF d;
  for (std::size_t i = 0; i < problem.sizes.columns; ++i) {
    const float* const scales = group.scales.get() + i / problem.sizes.block * kGroup;
    for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
      const std::size_t at = i * kGroup + lane;
      hn::Store(hn::NegMulAdd(hn::Load(d, group.codes.get() + at), hn::Load(d, scales + lane),
                              hn::Load(d, group.weights.get() + at)),
                d, scratch.residuals.get() + at);
    }
  }
}

// scratch.block = rows of H of block b, times residuals.
HWY_INLINE void Gradient(const GptqProblem& problem, std::size_t b, GptqScratch& scratch) {
  const std::size_t k = problem.sizes.columns;
  const std::size_t size = problem.sizes.BlockSize(b);
  std::fill_n(scratch.block.get(), size * kGroup, 0.0F);
  Product<false>(size, kGroup, k, {problem.moments + b * problem.sizes.block * k, k},
                 {scratch.residuals.get(), kGroup}, scratch.block.get(), kGroup);
}

// The sum of c_i H_ij c_j over i of one block and j of another, for two vectors of rows.
// h: H from the first row and column of the two blocks on.
HWY_INLINE void PairOfBlocks(const float* HWY_RESTRICT h, std::size_t stride, std::size_t rows,
                             std::size_t columns, const float* HWY_RESTRICT row_codes,
                             const float* HWY_RESTRICT column_codes, VF& sum0, VF& sum1) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  sum0 = hn::Zero(d);
  sum1 = hn::Zero(d);
  const auto add = [&](std::size_t i, VF t0, VF t1) HWY_ATTR {
    const float* const code = row_codes + i * kGroup;
    sum0 = hn::MulAdd(hn::Load(d, code), t0, sum0);
    sum1 = hn::MulAdd(hn::Load(d, code + lanes), t1, sum1);
  };
  std::size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const float* const h0 = h + i * stride;
    const float* const h1 = h0 + stride;
    const float* const h2 = h1 + stride;
    const float* const h3 = h2 + stride;
    VF t00 = hn::Zero(d), t01 = hn::Zero(d), t10 = hn::Zero(d), t11 = hn::Zero(d);
    VF t20 = hn::Zero(d), t21 = hn::Zero(d), t30 = hn::Zero(d), t31 = hn::Zero(d);
    for (std::size_t j = 0; j < columns; ++j) {
      const VF c0 = hn::Load(d, column_codes + j * kGroup);
      const VF c1 = hn::Load(d, column_codes + j * kGroup + lanes);
      const VF v0 = hn::Set(d, h0[j]);
      t00 = hn::MulAdd(v0, c0, t00);
      t01 = hn::MulAdd(v0, c1, t01);
      const VF v1 = hn::Set(d, h1[j]);
      t10 = hn::MulAdd(v1, c0, t10);
      t11 = hn::MulAdd(v1, c1, t11);
      const VF v2 = hn::Set(d, h2[j]);
      t20 = hn::MulAdd(v2, c0, t20);
      t21 = hn::MulAdd(v2, c1, t21);
      const VF v3 = hn::Set(d, h3[j]);
      t30 = hn::MulAdd(v3, c0, t30);
      t31 = hn::MulAdd(v3, c1, t31);
    }
    add(i, t00, t01);
    add(i + 1, t10, t11);
    add(i + 2, t20, t21);
    add(i + 3, t30, t31);
  }
  for (; i < rows; ++i) {
    VF t0 = hn::Zero(d), t1 = hn::Zero(d);
    for (std::size_t j = 0; j < columns; ++j) {
      const VF v = hn::Set(d, h[i * stride + j]);
      t0 = hn::MulAdd(v, hn::Load(d, column_codes + j * kGroup), t0);
      t1 = hn::MulAdd(v, hn::Load(d, column_codes + j * kGroup + lanes), t1);
    }
    add(i, t0, t1);
  }
}

// The equations of the scales: system and gradients.
HWY_INLINE void GatherSystem(const GptqProblem& problem, const Group& group, GptqScratch& scratch) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  const GroupSizes& sizes = problem.sizes;
  const std::size_t k = sizes.columns;
  const std::size_t triangle = GptqScratch::Triangle(sizes.blocks);
  for (std::size_t b = 0; b < sizes.blocks; ++b) {
    const std::size_t first = b * sizes.block;
    const std::size_t size = sizes.BlockSize(b);
    const float* const codes = group.codes.get() + first * kGroup;
    Gradient(problem, b, scratch);
    for (std::size_t lane = 0; lane < kGroup; lane += lanes) {
      VF sum = hn::Zero(d);
      for (std::size_t i = 0; i < size; ++i) {
        sum = hn::MulAdd(hn::Load(d, codes + i * kGroup + lane),
                         hn::Load(d, scratch.block.get() + i * kGroup + lane), sum);
      }
      hn::Store(sum, d, scratch.gradients.get() + b * kGroup + lane);
    }
    for (std::size_t other = 0; other <= b; ++other) {
      const std::size_t column = other * sizes.block;
      for (std::size_t lane = 0; lane < kGroup; lane += 2 * lanes) {
        VF sum0, sum1;
        PairOfBlocks(problem.moments + first * k + column, k, size, sizes.BlockSize(other),
                     codes + lane, group.codes.get() + column * kGroup + lane, sum0, sum1);
        float* const to =
            scratch.system.get() + lane * triangle + (GptqScratch::Triangle(b) + other) * lanes;
        hn::Store(sum0, d, to);
        hn::Store(sum1, d, to + triangle * lanes);
      }
    }
  }
}

// Overwrites the lower triangle, with a little added to its diagonal, by its Cholesky factor. The
// lanes for which that went well.
HWY_INLINE MF FactorSystem(float* system, std::size_t blocks) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  const auto row_of = [=](std::size_t row) { return system + GptqScratch::Triangle(row) * lanes; };
  VF mean = hn::Zero(d);
  for (std::size_t b = 0; b < blocks; ++b) {
    mean = hn::Add(mean, hn::Load(d, row_of(b) + b * lanes));
  }
  mean = hn::Div(mean, hn::Set(d, static_cast<float>(blocks)));
  const VF ridge = hn::Mul(mean, hn::Set(d, 1e-6F));
  MF sound = hn::Eq(ridge, ridge);
  for (std::size_t i = 0; i < blocks; ++i) {
    float* const row = row_of(i);
    for (std::size_t j = 0; j <= i; ++j) {
      const float* const other = row_of(j);
      VF sum = hn::Load(d, row + j * lanes);
      if (i == j) sum = hn::Add(sum, ridge);
      for (std::size_t t = 0; t < j; ++t) {
        sum = hn::NegMulAdd(hn::Load(d, row + t * lanes), hn::Load(d, other + t * lanes), sum);
      }
      if (i == j) {
        const MF positive = hn::Gt(sum, hn::Zero(d));
        sound = hn::And(sound, positive);
        sum = hn::Sqrt(hn::IfThenElse(positive, sum, hn::Set(d, 1.0F)));
      } else {
        sum = hn::Div(sum, hn::Load(d, other + j * lanes));
      }
      hn::Store(sum, d, row + j * lanes);
    }
  }
  return sound;
}

// steps = the solution of L L^T steps = gradients.
HWY_INLINE void SolveSystem(const float* system, std::size_t blocks, const float* gradients,
                            float* steps) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  const auto at = [=](std::size_t row, std::size_t column) {
    return system + (GptqScratch::Triangle(row) + column) * lanes;
  };
  for (std::size_t i = 0; i < blocks; ++i) {
    VF sum = hn::Load(d, gradients + i * kGroup);
    for (std::size_t t = 0; t < i; ++t) {
      sum = hn::NegMulAdd(hn::Load(d, at(i, t)), hn::Load(d, steps + t * lanes), sum);
    }
    hn::Store(hn::Div(sum, hn::Load(d, at(i, i))), d, steps + i * lanes);
  }
  for (std::size_t i = blocks; i > 0;) {
    --i;
    VF sum = hn::Load(d, steps + i * lanes);
    for (std::size_t t = i + 1; t < blocks; ++t) {
      sum = hn::NegMulAdd(hn::Load(d, at(t, i)), hn::Load(d, steps + t * lanes), sum);
    }
    hn::Store(hn::Div(sum, hn::Load(d, at(i, i))), d, steps + i * lanes);
  }
}

// What the objective gains by steps: |L^T steps|^2 - 2 steps . gradients.
HWY_INLINE VF ChangeBy(const float* system, std::size_t blocks, const float* gradients,
                       const float* steps) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  VF change = hn::Zero(d);
  for (std::size_t i = 0; i < blocks; ++i) {
    VF sum = hn::Zero(d);
    for (std::size_t t = i; t < blocks; ++t) {
      sum = hn::MulAdd(hn::Load(d, system + (GptqScratch::Triangle(t) + i) * lanes),
                       hn::Load(d, steps + t * lanes), sum);
    }
    change = hn::MulAdd(sum, sum, change);
    const VF step = hn::Load(d, steps + i * lanes);
    change = hn::NegMulAdd(hn::Add(step, step), hn::Load(d, gradients + i * kGroup), change);
  }
  return change;
}

// The scales that fit the codes best.
HWY_INLINE void Refit(const GptqProblem& problem, Group& group, GptqScratch& scratch) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t blocks = problem.sizes.blocks;
  GatherSystem(problem, group, scratch);
  float* const steps = scratch.steps.get();
  for (std::size_t lane = 0; lane < kGroup; lane += lanes) {
    float* const system = scratch.system.get() + lane * GptqScratch::Triangle(blocks);
    const float* const gradients = scratch.gradients.get() + lane;
    float* const scales = group.scales.get() + lane;
    const MF sound = FactorSystem(system, blocks);
    SolveSystem(system, blocks, gradients, steps);
    for (std::size_t b = 0; b < blocks; ++b) {
      const VF old = hn::Load(d, scales + b * kGroup);
      const VF found = hn::Add(old, hn::Load(d, steps + b * lanes));
      const VF size = hn::Abs(found);
      const MF usable = hn::And(hn::Ge(size, hn::Set(d, problem.grid.least_scale)),
                                hn::Le(size, hn::Set(d, std::numeric_limits<float>::max())));
      const VF step = hn::Sub(RoundScale(problem.grid, found), old);
      hn::Store(hn::IfThenElseZero(usable, step), d, steps + b * lanes);
    }
    const MF better =
        hn::And(sound, hn::Lt(ChangeBy(system, blocks, gradients, steps), hn::Zero(d)));
    for (std::size_t b = 0; b < blocks; ++b) {
      const VF old = hn::Load(d, scales + b * kGroup);
      const VF found = RoundScale(problem.grid, hn::Add(old, hn::Load(d, steps + b * lanes)));
      hn::Store(hn::IfThenElse(better, found, old), d, scales + b * kGroup);
    }
  }
}

// Codes of one block of a vector of rows, each moved to where it is best. `gradients`: H r.
HWY_INLINE void SweepBlock(const GridNumbers& grid, std::size_t size, const float* tile, VF scale,
                           VF zero, const float* weights, float* gradients, float* codes,
                           float* residuals) {
  const DF d;
  const CodeBounds bounds = BoundsOf(grid, zero);
  for (std::size_t i = 0; i < size; ++i) {
    const float* const row = tile + i * size;
    const VF old = hn::Load(d, codes + i * kGroup);
    const VF way = hn::Div(hn::Load(d, gradients + i * kGroup), hn::Mul(hn::Set(d, row[i]), scale));
    const VF code = Clamped(hn::Add(old, way), bounds);
    const VF moved = hn::Sub(code, old);
    if (hn::AllTrue(d, hn::Eq(moved, hn::Zero(d)))) continue;
    const VF step = hn::Mul(moved, scale);
    hn::Store(code, d, codes + i * kGroup);
    hn::Store(hn::NegMulAdd(code, scale, hn::Load(d, weights + i * kGroup)), d,
              residuals + i * kGroup);
    for (std::size_t j = i + 1; j < size; ++j) {
      const VF gradient = hn::Load(d, gradients + j * kGroup);
      hn::Store(hn::NegMulAdd(hn::Set(d, row[j]), step, gradient), d, gradients + j * kGroup);
    }
  }
}

HWY_INLINE void Sweep(const GptqProblem& problem, Group& group, GptqScratch& scratch) {
  const DF d;
  const GroupSizes& sizes = problem.sizes;
  const std::size_t k = sizes.columns;
  for (std::size_t b = 0; b < sizes.blocks; ++b) {
    const std::size_t first = b * sizes.block;
    const std::size_t size = sizes.BlockSize(b);
    Gradient(problem, b, scratch);
    for (std::size_t i = 0; i < size; ++i) {
      std::copy_n(problem.moments + (first + i) * k + first, size, scratch.tile.get() + i * size);
    }
    for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
      const std::size_t at = first * kGroup + lane;
      SweepBlock(problem.grid, size, scratch.tile.get(),
                 hn::Load(d, group.scales.get() + b * kGroup + lane),
                 hn::Load(d, group.zeros.get() + b * kGroup + lane), group.weights.get() + at,
                 scratch.block.get() + lane, group.codes.get() + at, scratch.residuals.get() + at);
    }
  }
}

HWY_INLINE void Refine(const GptqProblem& problem, Group& group, GptqScratch& scratch) {
  Residuals(problem, group, scratch);
  for (int i = 0; i < problem.refinements; ++i) {
    Refit(problem, group, scratch);
    Residuals(problem, group, scratch);
    Sweep(problem, group, scratch);
  }
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
