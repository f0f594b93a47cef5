// A policy as data: which files to write, and rules that say what is kept in which type.
// The YAML schema is documented in docs/policy.md; reading it is in policy_yaml.h.
#ifndef ONNXQUANT_LIB_POLICY_POLICY_H_
#define ONNXQUANT_LIB_POLICY_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/analysis/hazards.h"
#include "lib/formats/format.h"
#include "lib/formats/narrow.h"
#include "lib/formats/weight_format.h"
#include "lib/methods/method.h"
#include "lib/model/element_type.h"
#include "lib/policy/pattern.h"
#include "lib/targets/target.h"

namespace onnxquant {

// Where something stands in a policy file; line and column count from 1 (0: not from a file).
struct SourceMark {
  std::string file;
  int line = 0;
  int column = 0;
  std::string ToString() const;  // "gemma-safe.yaml:9:5"
};

// What is done so that the sums of the residual stream fit their type.
struct ResidualSetting {
  enum class Kind {
    kFloat32,  // the sums are computed in float32
    kRescale,  // the stream is multiplied by 2^-exponent, where only norms read it
    kClip,     // each sum is clamped to [-limit, limit]
  };
  static constexpr int kLargestExponent = 14;
  Kind kind = Kind::kFloat32;
  int exponent = 0;  // kRescale: 1…kLargestExponent, or 0: chosen from measured ranges or a bound
  double limit = 0;  // kClip
  bool operator==(const ResidualSetting&) const = default;
};
std::string ToString(const ResidualSetting& setting);  // "float32", "{rescale: auto}"

// What is done with the tables of cosines and sines that rotary embeddings read.
struct RopeCacheSetting {
  enum class Kind {
    kKeep,      // they are stored
    kTrim,      // their first `positions` rows are stored
    kComputed,  // a few nodes make them when the model is loaded
  };
  Kind kind = Kind::kKeep;
  std::int64_t positions = 0;  // kComputed: 0 means all that the table has
  bool operator==(const RopeCacheSetting&) const = default;
};
// "keep", "computed", "{positions: N}", "{computed: N}"
std::string ToString(const RopeCacheSetting& setting);

// The fields that an output sets as defaults and a rule may override, each on its own.
struct Settings {
  std::optional<ElementType> compute;  // float32, float16, bfloat16 or kAsInSource
  std::optional<WeightFormat> weights;
  std::optional<ElementType> io;            // type of float graph inputs and outputs, likewise
  std::optional<int> accuracy_level;        // 0…4, MatMulNBits only
  std::optional<Overflow> overflow;         // constants beyond the type's range
  std::optional<bool> keep;                 // leave the node and its weights as they are
  std::optional<ResidualSetting> residual;  // of residual Adds and Skip… norms
  std::optional<RopeCacheSetting> rope_cache;
  std::optional<methods::Method> method;  // how codes are chosen
  std::optional<bool> tie;  // readers of one constant in several forms read one set of codes
};

// Layers from first to last, both included; negatives count from the end (-1: the last layer).
struct LayerRange {
  int first = 0;
  int last = 0;
};

// All that is given must hold; a list means any of.
struct Match {
  std::vector<std::string> roles;
  std::vector<std::string> ops;      // "MatMul", "com.microsoft::MatMulNBits"
  std::vector<std::string> names;    // globs on node names
  std::vector<Pattern> regexes;      // on node names, anywhere in the name
  std::vector<std::string> weights;  // globs on initializer names
  std::vector<LayerRange> layers;
  std::vector<std::string> hazards;  // that IsNamedBy() knows
  std::optional<double> peak_over;   // a measured peak above this
  // Of a weight: whether the calibration that is given has what its reader multiplies it with.
  std::optional<bool> calibrated;
  // Of a weight: whether its values lie on a grid that codes in blocks hold without loss.
  std::optional<bool> lattice;
  // Of a weight, both included.
  std::optional<double> least_elements;
  std::optional<double> most_elements;
};

struct Rule {
  Match match;
  std::vector<std::string> when;  // dtype names; empty: always
  Settings set;
  bool optional = false;  // may match nothing
  SourceMark mark;
};

struct OutputSpec {
  std::string dtype;    // as Transformers.js spells it: fp16, q4, q4f16 …
  Settings defaults;    // compute, weights and io are always set
  std::string io_from;  // what has set io in the policy's place; "": the policy did
  SourceMark mark;
};

// Where the outputs are to run; they are not written where they could not.
struct TargetAsked {
  Target target;
  SourceMark mark;
};

struct Policy {
  std::string name;
  std::string description;
  std::vector<TargetAsked> targets;  // all of them; none: nothing is refused
  std::vector<OutputSpec> outputs;
  std::vector<Rule> rules;
};

// What a rule can see of a node and one of its weights.
struct Subject {
  std::string role;    // "" for none
  std::string also;    // a second one that `role` selects it by: NodeRole::also
  std::string op;      // as Match::ops spells it
  std::string name;    // of the node
  std::string weight;  // of the initializer in question; "" when the node itself is meant
  int layer = -1;      // -1: outside layers
  int layers = 0;      // how many layers the model has
  absl::Span<const Hazard> hazards;  // of the node; held by the Analysis
  std::optional<double> peak;        // largest measured magnitude among its outputs
  bool calibrated = false;           // see Match
  bool lattice = false;              // see Match
  // `weights`, `accuracy_level`, `method`: the reading of its constant, as formats of codes judge
  // it.
  std::optional<WeightReading> reading;

  // Which fields can do something about it.
  bool computes = false;  // `compute`, `constants`: a node that may change its type
  bool stores = false;    // `weights`: one of its constants, as a float type
  bool levels = false;    // `accuracy_level`: its weight is in blocks of codes
  bool io = false;        // `io`: a graph input or output that may change its type
  bool sums = false;      // `residual`
  bool turns = false;     // `rope_cache`: its constant is a table of a rotary embedding
  bool shared = false;    // `tie`: its constant has other readers
};

// Whether some field of a rule can act on the subject.
bool CanAct(const Settings& set, const Subject& subject);

// Whether every selector of `match` holds. A `weight` selector never holds for a subject without a
// weight.
bool Matches(const Match& match, const Subject& subject);

// The lowest opset of ONNX's own domain in which the policy's outputs can be written: Cast names
// types by number from 6 on, and knows bfloat16 from 13 on; Range came with 11.
int LeastOpset(const Policy& policy);

// The first hazard of the subject that the `hazard` selector names; null where it names none.
const Hazard* FindHazard(const Match& match, const Subject& subject);

// Whether the rule speaks of this output.
bool AppliesTo(const Rule& rule, const std::string& dtype);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_POLICY_H_
