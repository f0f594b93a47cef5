// What is said of one model where two are compared: counts by type, and what goes wrong.
#ifndef ONNXQUANT_LIB_INSPECT_DIFF_FACTS_H_
#define ONNXQUANT_LIB_INSPECT_DIFF_FACTS_H_

#include <map>
#include <string>
#include <vector>

#include "lib/analysis/roles.h"
#include "lib/policy/plan.h"

namespace onnxquant {

// How many by what: {"float16": 34, "float32": 2}.
using Counts = std::map<std::string, int>;

// A norm whose input and scale are floats of different types.
struct MixedNorm {
  std::string node;  // by NodeKey
  bool final = false;
  std::string input;
  std::string scale;
};

struct ModelFacts {
  Counts sums;  // residual sums by the type that they are computed in
  // Those that are computed in one type and rounded to a narrower one on the way to the next sum
  // or norm, by that type.
  Counts narrowed_sums;
  int clipped_sums = 0;
  Counts norms;  // by the type of what they give
  std::vector<MixedNorm> mixed_norms;
  // Nodes of the other roles by the type of their first float output; those that give no float are
  // left out.
  std::map<Role, Counts> arithmetic;
  // Weights with two axes or more that nodes of the roles read, as they are stored: "float16",
  // "4-bit blocks of 32".
  std::map<Role, Counts> stored;
};

ModelFacts FactsOf(const Analysis& analysis);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_INSPECT_DIFF_FACTS_H_
