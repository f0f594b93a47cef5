// The residual stream: the sums that run through a model from the embedding to the last norm, and
// all that has to change when they are multiplied by a power of two.
//
// Norms do not see such a factor (but for their epsilon), so a stream that only norms read can be
// scaled by s without any other change of the result. Every float value has a degree: the power of
// s by which it is multiplied. The stream has degree 1, what a norm makes of it 0, squares inside a
// decomposed norm 2. Degrees follow from the operators' algebra alone, never from names.
#ifndef ONNXQUANT_LIB_ANALYSIS_RESIDUAL_STREAM_H_
#define ONNXQUANT_LIB_ANALYSIS_RESIDUAL_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/analysis/roles.h"
#include "lib/analysis/stream_clips.h"
#include "lib/analysis/types.h"
#include "lib/analysis/weight_uses.h"
#include "lib/graph/graph.h"

namespace onnxquant {

struct ResidualStream {
  // A reading of a constant that sees it multiplied by s^degree: the gain of a post-norm, the
  // weight and bias of a projection back to the stream, the constant that scales an embedding, the
  // epsilon of a decomposed norm.
  struct ScaledUse {
    std::size_t use = 0;  // index into the weight uses
    int degree = 1;
  };
  // A norm whose attribute epsilon is multiplied by s^(2 degree).
  struct ScaledNorm {
    NodeId node = kNone;
    int degree = 1;
  };

  std::vector<NodeId> adds;          // the residual Adds, and Skip… norms, in order
  std::vector<ValueId> values;       // of degree 1, in order
  std::vector<ScaledUse> constants;  // in the order of the weight uses
  std::vector<ScaledNorm> norms;     // in order
  std::vector<Use> multiplied;  // slots that read a value of degree 0 where the stream is wanted: a
                                // Mul by s goes between
  std::vector<StreamClip> clips;  // seen through here: scaled, the stream needs them no more
  std::vector<NodeId> chains;     // nodes of decomposed norms: they hold squares of the stream
  std::int64_t width = 0;         // how many elements a norm of the stream reduces over; 0: unknown
  std::string refusal;            // why the stream cannot be scaled; "" when it can
};

// `uses` as FindWeightUses() gives them. Linear in the graph's size. A model without any residual
// Add is a refusal; so is a stream that something other than a norm reads, or that is given out.
ResidualStream FindResidualStream(const Graph& graph, const ValueTypes& types, const Roles& roles,
                                  const std::vector<WeightUse>& uses);

// LayerNormalization and its kin, the Skip… forms included: the results do not depend on the scale
// of the input but for epsilon.
bool IsScaleInvariantNorm(const Graph& graph, NodeId node);

// The Skip… forms, which add two inputs and normalize the sum.
bool IsSkipNorm(const Graph& graph, NodeId node);

// The epsilon that the operator of such a norm takes when the attribute is absent.
float DefaultEpsilon(const Graph& graph, NodeId norm);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_RESIDUAL_STREAM_H_
