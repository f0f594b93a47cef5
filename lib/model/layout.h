// Where each tensor of an output goes: into the .onnx file or at an offset of a data file.
#ifndef ONNXQUANT_LIB_MODEL_LAYOUT_H_
#define ONNXQUANT_LIB_MODEL_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

// Browsers hold each data file in one array; Chrome's largest is 2,147,418,112 bytes. Programs that
// map their files have no such bound.
inline constexpr std::uint64_t kLargestInBrowsers = 2'147'418'112;

struct LayoutItem {
  std::uint64_t bytes = 0;
  bool keep_inline = false;
  int same_as = -1;  // an earlier item that has the same bytes; -1: none
};

struct LayoutOptions {
  std::uint64_t max_shard = 1'900'000'000;
  std::uint64_t inline_below = 1024;  // smaller tensors stay in the .onnx file
};

struct Placement {
  int shard = -1;  // -1: inline
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  bool external() const { return shard >= 0; }
};

struct Layout {
  std::vector<Placement> items;
  std::vector<std::uint64_t> shard_bytes;
};

// Places the items in their order. Offsets are multiples of 4 KiB, and of 64 KiB for tensors of 1
// MiB and more, so that each can be mapped on its own (ONNX's external data guidance; 64 KiB is
// Windows' granularity). A shard is closed when the next tensor would pass max_shard. Outside the
// .onnx file an item lies where that lies which it is the same as. Refuses an item beyond max_shard
// (kUsage).
absl::StatusOr<Layout> PlanLayout(absl::Span<const LayoutItem> items, const LayoutOptions& options);

// Whether browsers can load each shard.
bool FitsBrowsers(const Layout& layout);

// "model_q4.onnx" -> "model_q4.onnx_data", then "model_q4.onnx_data_1" …, as Transformers.js asks.
std::string ShardFileName(const std::string& model_file, int shard);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_LAYOUT_H_
