// Where NaN or infinity begins.
#ifndef ONNXQUANT_LIB_TRACE_FIRST_BAD_H_
#define ONNXQUANT_LIB_TRACE_FIRST_BAD_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/runtime/samples.h"
#include "lib/trace/traced_model.h"

namespace onnxquant {

// What one value holds besides finite numbers.
struct BadCounts {
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;           // +Inf
  std::uint64_t negative_inf = 0;  // -Inf
  double peak = 0;                 // largest finite |x|
  bool any() const { return nan + inf + negative_inf > 0; }
  void Add(absl::Span<const float> values);
};

// The first value, producers before consumers, that holds NaN or infinity although what its node
// reads does not. A mask is no fault: -Inf alone counts as finite where a node that only moves or
// chooses data makes it (Where, Cast of a magnitude beyond 1e30 …), and where a node reads such a
// mask. `counts` are by traced value.
std::optional<std::size_t> FindFirstBad(absl::Span<const TracedValue> values,
                                        absl::Span<const BadCounts> counts);

struct FirstBad {
  TracedValue value;
  BadCounts counts;
  double input_peak = 0;       // largest finite magnitude that its node reads
  std::size_t bad_values = 0;  // how many values hold NaN or infinity
  std::size_t values = 0;
};

// What FindFirstBad finds, with the numbers around it.
std::optional<FirstBad> FirstBadAmong(absl::Span<const TracedValue> values,
                                      absl::Span<const BadCounts> counts);

// "the first value with NaN or Inf is '/model/layers.7/…' (node '…' (Add), layer 7): 3 Inf; what
// that node reads reaches 6.1e+04, and 20 of 474 values have NaN or Inf".
std::string DescribeFirstBad(const FirstBad& bad);

struct FirstBadOptions {
  std::string model;
  RunnerFactory factory;
  RunnerOptions runner;
  InputOptions inputs;
  std::vector<Sample> samples = std::vector<Sample>(1);  // the model runs once for each
  std::function<bool()> cancelled;
};

// Runs the model with its float values as outputs: a model with a cache reads texts in steps of
// 16 tokens up to the first that shows a fault; others run on whole samples (see AnyModel::Run), a
// group of values at a time so that memory stays bounded. Nothing if no value shows a
// fault: giving values out keeps the runtime from fusing nodes, which can change what overflows.
absl::StatusOr<std::optional<FirstBad>> TraceFirstBad(const FirstBadOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TRACE_FIRST_BAD_H_
