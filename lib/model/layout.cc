#include "lib/model/layout.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kCacheLine = 64;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMediumTensor = 65536;
constexpr std::uint64_t kLargeAlignment = 65536;
constexpr std::uint64_t kLargeTensor = 1 << 20;

std::uint64_t AlignUp(std::uint64_t offset, std::uint64_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

absl::StatusOr<Layout> PlanLayout(absl::Span<const LayoutItem> items,
                                  const LayoutOptions& options) {
  Layout layout;
  for (const LayoutItem& item : items) {
    Placement place;
    place.bytes = item.bytes;
    const bool external = !item.keep_inline && item.bytes >= options.inline_below && item.bytes > 0;
    if (external && item.same_as >= 0) {
      place = layout.items[static_cast<std::size_t>(item.same_as)];
    } else if (external) {
      if (item.bytes > options.max_shard) {
        return UsageError("--max-shard ", options.max_shard, ": a tensor of ", item.bytes,
                          " bytes does not fit into one data file");
      }
      const std::uint64_t alignment = item.bytes >= kLargeTensor    ? kLargeAlignment
                                      : item.bytes >= kMediumTensor ? kPage
                                                                    : kCacheLine;
      if (layout.shard_bytes.empty() ||
          AlignUp(layout.shard_bytes.back(), alignment) + item.bytes > options.max_shard) {
        layout.shard_bytes.push_back(0);
      }
      place.shard = static_cast<int>(layout.shard_bytes.size()) - 1;
      place.offset = AlignUp(layout.shard_bytes.back(), alignment);
      layout.shard_bytes.back() = place.offset + item.bytes;
    }
    layout.items.push_back(place);
  }
  return layout;
}

bool FitsBrowsers(const Layout& layout) {
  return std::all_of(layout.shard_bytes.begin(), layout.shard_bytes.end(),
                     [](std::uint64_t bytes) { return bytes <= kLargestInBrowsers; });
}

std::string ShardFileName(const std::string& model_file, int shard) {
  return shard == 0 ? model_file + "_data" : absl::StrCat(model_file, "_data_", shard);
}

}  // namespace onnxquant
