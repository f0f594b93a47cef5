#include "lib/runtime/padding.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/match.h"

namespace onnxquant {

bool IsPaddingMask(const std::string& name, ElementType type, std::size_t rank) {
  return !IsFloat(type) && rank >= 2 &&
         (absl::EndsWith(name, "attention_mask") || absl::EndsWith(name, "pixel_mask"));
}

Tensor WithPadding(const Tensor& mask, Padding padding) {
  constexpr std::size_t kShare = 4;
  if (padding == Padding::kNone || mask.dims().empty() || mask.elements() == 0) return mask;
  const auto rows = static_cast<std::size_t>(mask.dims().front());
  const auto length = static_cast<std::size_t>(mask.dims().back());
  if (length < 2) return mask;
  const std::size_t size = mask.bytes().size() / mask.elements();
  std::vector<std::byte> bytes(mask.bytes().begin(), mask.bytes().end());
  const std::size_t padded = std::max<std::size_t>(1, length / kShare);
  const std::size_t lines = mask.elements() / length;
  for (std::size_t line = 0; line < lines; ++line) {
    const std::size_t row = line / (lines / rows);
    const bool right = (row % 2 == 0) == (padding == Padding::kRightFirst);
    const std::size_t first = line * length + (right ? length - padded : 0);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(first * size), padded * size,
                std::byte{0});
  }
  return Tensor::Of(mask.type(), mask.dims(), std::move(bytes));
}

const Tensor* FindMask(absl::Span<const NamedTensor> inputs) {
  for (const NamedTensor& input : inputs) {
    const Tensor& tensor = input.tensor;
    if (IsPaddingMask(input.name, tensor.type(), tensor.dims().size())) return &tensor;
  }
  return nullptr;
}

std::vector<bool> KeptPositions(const Tensor* mask, absl::Span<const std::int64_t> dims) {
  std::vector<bool> kept;
  if (mask == nullptr || dims.size() < mask->dims().size() || mask->elements() == 0 ||
      dims.subspan(0, mask->dims().size()) != absl::MakeConstSpan(mask->dims())) {
    return kept;
  }
  const std::size_t size = mask->bytes().size() / mask->elements();
  for (std::size_t i = 0; i < mask->elements(); ++i) {
    const auto bytes = mask->bytes().subspan(i * size, size);
    kept.push_back(std::any_of(bytes.begin(), bytes.end(),
                               [](std::byte byte) { return byte != std::byte{0}; }));
  }
  if (std::all_of(kept.begin(), kept.end(), [](bool one) { return one; })) kept.clear();
  return kept;
}

Tensor KeptRows(const Tensor* mask, const Tensor& tensor) {
  const std::vector<bool> kept = KeptPositions(mask, tensor.dims());
  if (kept.empty() || tensor.dims().size() == mask->dims().size()) return tensor;
  const std::size_t size = tensor.bytes().size() / kept.size();
  std::vector<std::byte> bytes;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i]) continue;
    const auto row = tensor.bytes().subspan(i * size, size);
    bytes.insert(bytes.end(), row.begin(), row.end());
    ++count;
  }
  std::vector<std::int64_t> dims = {count};
  dims.insert(dims.end(), tensor.dims().begin() + static_cast<std::ptrdiff_t>(mask->dims().size()),
              tensor.dims().end());
  return Tensor::Of(tensor.type(), std::move(dims), std::move(bytes));
}

}  // namespace onnxquant
