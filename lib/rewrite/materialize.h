// Fills the tensors of rewritten models from the input's constants, tile by tile.
#ifndef ONNXQUANT_LIB_REWRITE_MATERIALIZE_H_
#define ONNXQUANT_LIB_REWRITE_MATERIALIZE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/formats/codec.h"
#include "lib/methods/choose.h"
#include "lib/model/model.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

struct OutputToFill {
  const Rewritten* rewritten = nullptr;
  TensorSink* sink = nullptr;
  std::vector<std::string>* warnings = nullptr;  // clamped values and the like are added
  // Which of rewritten->jobs to do, and to warn of; nothing: all.
  std::optional<std::vector<std::size_t>> jobs = {};
};

struct FillOptions {
  int threads = 0;
  methods::FactorSource* factors = nullptr;  // of a calibration; for jobs whose method reads them
  std::uint64_t memory = 128 << 20;
  std::uint64_t smallest_tile = 64 << 10;  // bytes of input; smaller tiles are not worth a task
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

// Reads each constant once and hands each tile of it to every output that stores it. Tiles are of
// about memory / (8 * threads) bytes, so that the buffers of the tiles in flight stay within
// `memory`; a constant's scales and zero points are held until its last tile is done only where
// they are no more than two tiles.
absl::Status FillTensors(const Model& model, absl::Span<const OutputToFill> outputs,
                         const FillOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_MATERIALIZE_H_
