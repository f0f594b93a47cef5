// What the float values inside a model come to when it runs.
#ifndef ONNXQUANT_LIB_TRACE_RANGES_H_
#define ONNXQUANT_LIB_TRACE_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/trace/range_stats.h"

namespace onnxquant {

struct RangesOptions {
  std::string model;
  std::string tokens;      // a file, or "self"; "" for models without tokens, and with inputs.files
  std::size_t count = 0;   // tokens to read; 0: all of a file, 256 of the model's own text
  std::size_t chunk = 64;  // tokens a step; without a cache, each step stands alone
  InputOptions inputs;
  // Values are fetched in groups of so many bytes a step, as foreseen from a first step; the model
  // runs once for each group.
  std::uint64_t memory = 512'000'000;
  RunnerOptions runner;
  RunnerFactory factory;
  std::function<bool()> cancelled;
  std::function<void(std::size_t done, std::size_t total)> progress;  // values
};

struct ValueRange {
  std::string name;
  std::string node;  // that makes it, in words
  std::string op;
  int layer = -1;
  Range range;
};

struct RangeReport {
  std::string model;
  std::size_t tokens = 0;
  std::size_t runs = 0;            // on arrays or made-up inputs; 0: it read tokens
  std::vector<std::string> notes;  // what the user should know of the inputs
  int layers = 0;
  std::size_t groups = 0;          // how often the model ran
  std::vector<ValueRange> values;  // producers before consumers
};

// Errors: as Verify's for tokens, files, providers and models that do not load or run.
absl::StatusOr<RangeReport> MeasureRanges(const RangesOptions& options);

// {"model", "tokens", "runs", "notes", "values": {name: {"peak", "min", "max", "p50", "p99",
// "p99_9", "beyond_fp16", "layer", "op"}}}; "layer" is null outside layers, "nan" and "inf" stand
// where there are some. UTF-8, one value a line, in the graph's order.
std::string ToJson(const RangeReport& ranges);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TRACE_RANGES_H_
