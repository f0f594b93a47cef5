#include "lib/model/payload_ranges.h"

#include <algorithm>
#include <utility>

#include "lib/base/error.h"

namespace onnxquant {

absl::Status CheckOverlaps(PayloadRanges& all) {
  for (auto& [location, ranges] : all) {
    std::sort(ranges.begin(), ranges.end(), [](const PayloadRange& a, const PayloadRange& b) {
      return std::pair(a.offset, a.length) < std::pair(b.offset, b.length);
    });
    const PayloadRange* widest = nullptr;
    for (const PayloadRange& range : ranges) {
      if (range.length == 0) continue;
      const bool same =
          widest != nullptr && widest->offset == range.offset && widest->length == range.length;
      if (widest != nullptr && !same && range.offset < widest->offset + widest->length) {
        return ModelError(widest->place, " and ", range.place, " overlap in '", location,
                          "' (bytes ", widest->offset, " to ", widest->offset + widest->length,
                          " and from ", range.offset, "); the model is damaged: export it again");
      }
      widest = &range;
    }
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
