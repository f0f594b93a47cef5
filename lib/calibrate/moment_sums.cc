#include "lib/calibrate/moment_sums.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/tile_executor.h"
#include "lib/kernels/gram.h"

namespace onnxquant {
namespace {

using kernels::kGramPanel;

std::size_t PanelsOf(std::int64_t size) {
  return (static_cast<std::size_t>(size) + kGramPanel - 1) / kGramPanel;
}

std::size_t RowsOf(const Tensor& tensor) {
  return tensor.dims().empty() || tensor.dims().back() == 0
             ? 0
             : tensor.elements() / static_cast<std::size_t>(tensor.dims().back());
}

std::string InPlace(const MomentSums::Shape& shape) {
  return absl::StrCat("value '", shape.value, "'",
                      shape.place.empty() ? "" : absl::StrCat(" (", shape.place, ")"));
}

}  // namespace

MomentSums::MomentSums(std::vector<Shape> shapes, int threads) : threads_(threads) {
  for (Shape& shape : shapes) {
    Kept kept;
    const auto size = static_cast<std::size_t>(shape.size);
    kept.panels = PanelsOf(shape.size);
    kept.panel_rows.resize(kept.panels * kMomentRows * kGramPanel);
    kept.moments = {shape.value, shape.size, 0, std::vector<float>(size * size)};
    kept.shape = std::move(shape);
    values_.push_back(std::move(kept));
  }
}

std::uint64_t MomentSums::BytesFor(std::int64_t size) {
  const auto elements = static_cast<std::uint64_t>(size);
  return sizeof(float) * (elements * elements + PanelsOf(size) * kMomentRows * kGramPanel);
}

absl::Status MomentSums::CheckShape(const Kept& kept, const Tensor& tensor) const {
  if (tensor.is_float() && !tensor.dims().empty() && tensor.dims().back() == kept.shape.size) {
    return absl::OkStatus();
  }
  return MakeError(
      ErrorKind::kVerify,
      absl::StrCat(InPlace(kept.shape), " is ", NameOf(tensor.type()), DimsText(tensor.dims()),
                   " when the model runs; expected floats ", "whose last dimension is ",
                   kept.shape.size, ", as the matrix that it is multiplied with has rows"));
}

absl::Status MomentSums::Keep(Kept& kept, const Tensor& tensor, absl::Span<const float> factors,
                              std::size_t first, std::size_t count) const {
  const auto size = static_cast<std::size_t>(kept.shape.size);
  std::vector<float> scratch;
  const absl::Span<const float> rows = tensor.Floats(first * size, count * size, scratch);
  for (std::size_t row = 0; row < count; ++row) {
    const float* in = rows.data() + row * size;
    const float factor = factors.empty() ? 1.0F : factors[first + row];
    float zero = 0;  // NaN, unless all are finite
    for (std::size_t panel = 0; panel < kept.panels; ++panel) {
      float* out = kept.panel_rows.data() + (panel * kMomentRows + kept.rows + row) * kGramPanel;
      const std::size_t width = std::min(kGramPanel, size - panel * kGramPanel);
      for (std::size_t i = 0; i < width; ++i) {
        const float value = in[panel * kGramPanel + i] * factor;
        out[i] = value;
        zero += value * 0.0F;
      }
    }
    if (zero == 0) continue;
    return MakeError(ErrorKind::kVerify,
                     absl::StrCat(InPlace(kept.shape), " holds NaN or infinity in its row ",
                                  kept.moments.count + kept.rows + row + 1,
                                  "; no statistics can be made of it: 'onnxquant check --run' and "
                                  "'onnxquant ranges' show where that begins"));
  }
  kept.rows += count;
  return absl::OkStatus();
}

absl::Status MomentSums::Add(absl::Span<const Tensor> tensors,
                             absl::Span<const std::vector<float>> factors) {
  std::vector<std::size_t> next(values_.size(), 0);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    ONNXQUANT_RETURN_IF_ERROR(CheckShape(values_[i], tensors[i]));
  }
  for (bool left = true; left;) {
    ONNXQUANT_RETURN_IF_ERROR(RunTiles(values_.size(), threads_, nullptr, [&](std::size_t i) {
      const std::size_t count =
          std::min(RowsOf(tensors[i]) - next[i], kMomentRows - values_[i].rows);
      const std::size_t first = std::exchange(next[i], next[i] + count);
      const absl::Span<const float> of_rows =
          factors.empty() ? absl::Span<const float>() : absl::MakeConstSpan(factors[i]);
      return Keep(values_[i], tensors[i], of_rows, first, count);
    }));
    ONNXQUANT_RETURN_IF_ERROR(AddKept(false));
    left = false;
    for (std::size_t i = 0; i < values_.size(); ++i) left |= next[i] < RowsOf(tensors[i]);
  }
  return absl::OkStatus();
}

absl::Status MomentSums::AddKept(bool all) {
  // A job is a panel of columns times those from it on.
  struct Job {
    std::size_t value;
    std::size_t panel;
  };
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].rows < kMomentRows && !(all && values_[i].rows > 0)) continue;
    for (std::size_t panel = 0; panel < values_[i].panels; ++panel) jobs.push_back({i, panel});
  }
  if (jobs.empty()) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(RunTiles(jobs.size(), threads_, nullptr, [&](std::size_t job) {
    Kept& kept = values_[jobs[job].value];
    const auto size = static_cast<std::size_t>(kept.shape.size);
    const auto columns = [&](std::size_t panel) {
      return absl::MakeConstSpan(kept.panel_rows)
          .subspan(panel * kMomentRows * kGramPanel, kept.rows * kGramPanel);
    };
    const auto width = [&](std::size_t panel) {
      return std::min(kGramPanel, size - panel * kGramPanel);
    };
    const std::size_t left = jobs[job].panel;
    for (std::size_t right = left; right < kept.panels; ++right) {
      kernels::AddGram(
          columns(left), columns(right),
          {.sums = kept.moments.sums.data() + left * kGramPanel * size + right * kGramPanel,
           .stride = size,
           .height = width(left),
           .width = width(right)});
    }
    return absl::OkStatus();
  }));
  for (Kept& kept : values_) {
    if (kept.rows < kMomentRows && !all) continue;
    kept.moments.count += kept.rows;
    kept.rows = 0;
  }
  return absl::OkStatus();
}

std::vector<MomentSums::State> MomentSums::States() {
  std::vector<State> states;
  for (Kept& kept : values_) {
    states.push_back({kept.shape.value, kept.shape.size, kept.moments.count, kept.rows,
                      absl::MakeSpan(kept.moments.sums), absl::MakeSpan(kept.panel_rows)});
  }
  return states;
}

absl::StatusOr<std::vector<Moments>> MomentSums::Finish() && {
  ONNXQUANT_RETURN_IF_ERROR(AddKept(true));
  std::vector<Moments> moments;
  for (Kept& kept : values_) {
    const auto size = static_cast<std::size_t>(kept.shape.size);
    std::vector<float>& sums = kept.moments.sums;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = i + 1; j < size; ++j) sums[j * size + i] = sums[i * size + j];
    }
    // Squares of finite numbers may still be beyond float32.
    for (std::size_t i = 0; i < size; ++i) {
      if (std::isfinite(sums[i * size + i])) continue;
      return MakeError(ErrorKind::kVerify,
                       absl::StrCat(InPlace(kept.shape), ": the squares of its column ", i,
                                    " add up to more than float32 holds"));
    }
    moments.push_back(std::move(kept.moments));
    kept.panel_rows = {};
  }
  return moments;
}

}  // namespace onnxquant
