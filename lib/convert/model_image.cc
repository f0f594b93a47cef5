#include "lib/convert/model_image.h"

#include <cstring>

#include "lib/base/as_bytes.h"

namespace onnxquant {

ModelImage::ModelImage(const PlannedOutput& output)
    : output_(output), model_(output.model), copies_(output.layout.items.size()) {
  const std::vector<int>& same_as = output.rewritten.same_as;
  for (std::size_t i = 0; i < same_as.size(); ++i) {
    if (same_as[i] < 0 || output.layout.items[i].external()) continue;
    copies_[static_cast<std::size_t>(same_as[i])].push_back(static_cast<int>(i));
  }
}

void ModelImage::Put(int initializer, std::uint64_t offset, absl::Span<const std::byte> bytes) {
  const auto put = [&](int to) {
    std::memcpy(model_.data() + At(to, offset), bytes.data(), bytes.size());
  };
  put(initializer);
  for (const int other : copies_[static_cast<std::size_t>(initializer)]) put(other);
}

absl::Span<const std::byte> ModelImage::PayloadOf(int initializer) const {
  return AsBytes(model_).subspan(At(initializer, 0),
                                 output_.rewritten.bytes[static_cast<std::size_t>(initializer)]);
}

}  // namespace onnxquant
