#include "lib/rewrite/materialize.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lib/base/error.h"
#include "lib/base/tile_executor.h"
#include "lib/rewrite/fill_source.h"

namespace onnxquant {
namespace {

// A tile's buffers, for three outputs, take about as many bytes again as the tile itself; the rest
// is for scales and for what the allocator keeps.
constexpr std::uint64_t kTileShare = 8;

struct TileOf {
  FillSource* source;
  std::size_t tile;
};

std::vector<const FillJob*> JobsOf(const OutputToFill& output) {
  std::vector<const FillJob*> jobs;
  const std::vector<FillJob>& all = output.rewritten->jobs;
  if (output.jobs.has_value()) {
    for (const std::size_t i : *output.jobs) jobs.push_back(&all[i]);
  } else {
    for (const FillJob& job : all) jobs.push_back(&job);
  }
  return jobs;
}

}  // namespace

absl::Status FillTensors(const Model& model, absl::Span<const OutputToFill> outputs,
                         const FillOptions& options) {
  const int threads = options.threads > 0
                          ? options.threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<std::unique_ptr<FillSource>> sources;
  // One for each constant; two of one that is seen as two matrices.
  absl::flat_hash_map<const onnx::TensorProto*, std::vector<FillSource*>> by_tensor;
  for (const OutputToFill& output : outputs) {
    for (const FillJob* wanted : JobsOf(output)) {
      const FillJob& job = *wanted;
      std::vector<FillSource*>& own = by_tensor[job.source];
      const bool taken = std::any_of(own.begin(), own.end(), [&](FillSource* source) {
        return source->AddTarget(job, output, options.factors);
      });
      if (taken) continue;
      sources.push_back(std::make_unique<FillSource>(model, *job.source));
      own.push_back(sources.back().get());
      own.back()->AddTarget(job, output, options.factors);
    }
  }
  const std::uint64_t tile_bytes = std::max(
      options.smallest_tile, options.memory / (kTileShare * static_cast<std::uint64_t>(threads)));
  std::vector<TileOf> tiles;
  std::vector<TileOf> observed;  // what some codec must see before anything is written
  std::uint64_t total = 0;
  for (const auto& source : sources) {
    ONNXQUANT_RETURN_IF_ERROR(source->CutInto(tile_bytes));
    total += source->bytes();
    for (std::size_t tile = 0; tile < source->tiles(); ++tile) {
      tiles.push_back({source.get(), tile});
      if (source->Observes()) observed.push_back({source.get(), tile});
    }
  }
  ONNXQUANT_RETURN_IF_ERROR(
      RunTiles(observed.size(), threads, options.cancelled,
               [&](std::size_t i) { return observed[i].source->Observe(observed[i].tile); }));
  std::mutex mutex;
  std::uint64_t done = 0;
  ONNXQUANT_RETURN_IF_ERROR(
      RunTiles(tiles.size(), threads, options.cancelled, [&](std::size_t i) -> absl::Status {
        ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes, tiles[i].source->Fill(tiles[i].tile));
        const std::lock_guard<std::mutex> lock(mutex);
        done += bytes;
        if (options.progress) options.progress(done, total);
        return absl::OkStatus();
      }));
  for (const auto& source : sources) source->AddWarnings();
  return options.factors == nullptr ? absl::OkStatus() : options.factors->CheckUnchanged();
}

}  // namespace onnxquant
