// The formula behind the tables of a rotary embedding, found from their values alone.
//
// A row per position p, a column per frequency f: the tables hold a·cos(p·f) and a·sin(p·f), the
// angle p·f rounded to float32. What scales rotary embeddings (linear, NTK, yarn, llama3) changes
// the frequencies, column by column, and with yarn the attention factor a.
#ifndef ONNXQUANT_LIB_ANALYSIS_ROPE_FIT_H_
#define ONNXQUANT_LIB_ANALYSIS_ROPE_FIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// A pair of tables of one shape, row after row.
struct RopeTables {
  absl::Span<const float> cosines;
  absl::Span<const float> sines;
  std::int64_t columns = 0;
  ElementType type = ElementType::kFloat;  // what the values were rounded to
};

struct RopeFit {
  std::vector<float> frequencies;  // by column
  float factor = 1;
  // The largest difference to what the tables hold, beyond what rounding to their type explains.
  double difference = 0;
  std::string reason;  // why the formula does not hold: a clause about the tables
  bool ok() const { return reason.empty(); }
};

// The largest difference that a fit may have, for values up to 1; twice that up to 2, and so on. It
// is what implementations of cosine and sine differ by in float32.
inline constexpr double kRopeTolerance = 1e-7;

// The frequencies are estimated from the phase of each column, unwrapped along the positions, and
// then chosen among the float32 numbers around that by the values that they give.
RopeFit FitRope(const RopeTables& tables);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROPE_FIT_H_
