// A policy written in code. Its words are those of the YAML files, which docs/policy.md explains.
//
//   onnxquant::PolicySpec policy{.name = "mine"};
//   policy.outputs = {{"q4f16", {.compute = "float16", .io = "float16", .weights = {"int4"}}}};
//   policy.rules = {{{.role = {"norm", "residual"}}, {.compute = "float32"}}};
//   auto report = onnxquant::Quantize(path, {.policy_yaml = onnxquant::ToYaml(policy)}, {});
#ifndef ONNXQUANT_POLICY_H_
#define ONNXQUANT_POLICY_H_

#include <optional>
#include <string>
#include <vector>

#include "onnxquant/export.h"

namespace onnxquant {

// How constant operands are stored. What is empty is not said.
struct PolicyWeights {
  std::string format = {};  // float32, float16, bfloat16, source, int4
  std::optional<int> block = {};
  std::optional<bool> symmetric = {};
  std::string source = {};  // float32, float16
};

// What an output sets as defaults and a rule overrides, each field on its own.
struct PolicyFields {
  std::string compute = {};  // float32, float16, bfloat16, source
  std::string io = {};       // of float graph inputs and outputs
  PolicyWeights weights = {};
  std::optional<int> accuracy_level = {};
  std::string overflow = {};               // of constants: error, clamp, infinity
  std::string residual = {};               // float32
  std::optional<int> rescale = {};         // the residual stream by 2^-rescale; 0: auto
  std::optional<double> clip = {};         // sums of the residual stream
  std::string rope_cache = {};             // tables of rotary embeddings: keep, computed
  std::optional<int> rope_positions = {};  // so many rows of them, the first, stored or computed
  std::string method = {};                 // how codes are chosen: nearest, search, gptq
  std::optional<bool> tie = {};            // readers in several forms read one set of codes
  bool keep = false;                       // leave the node and its weights as they are
};

// All that is given must hold; a list means any of.
struct PolicyMatch {
  std::vector<std::string> role = {};
  std::vector<std::string> op = {};
  std::vector<std::string> name = {};    // globs on names of nodes
  std::vector<std::string> regex = {};   // on names of nodes
  std::vector<std::string> weight = {};  // globs on names of initializers
  std::vector<std::string> layer = {};   // "0", "-1", "0-3"
  std::vector<std::string> hazard = {};
  std::optional<double> peak_over = {};
  std::optional<bool> calibrated = {};  // of a weight: whether PlanOptions::calibration knows it
  std::optional<bool> lattice = {};  // of a weight: whether it was made of codes that can be kept
  std::optional<double> least_elements = {};  // of a weight
  std::optional<double> most_elements = {};
};

// What is set for the nodes and weights that it matches.
struct PolicyRule {
  PolicyMatch match = {};
  PolicyFields set = {};
  std::vector<std::string> when = {};  // dtypes; empty: all outputs
  bool optional = false;               // may match nothing
};

// One file to write, and what holds in it where no rule says otherwise.
struct PolicyOutput {
  std::string dtype = {};  // as Transformers.js spells it: fp16, q4, q4f16
  PolicyFields fields = {};
};

// A whole policy.
struct PolicySpec {
  std::string name = {};
  std::string description = {};
  std::vector<std::string> target = {};  // where it is to run: "webgpu", "transformers.js@4.3"
  std::vector<PolicyOutput> outputs = {};
  std::vector<PolicyRule> rules = {};  // later ones win, field by field
};

// The policy as YAML, for PlanOptions::policy_yaml or a file. Nothing is checked here: MakePlan
// checks it as it checks a file, and its errors name line and column of this text.
ONNXQUANT_EXPORT std::string ToYaml(const PolicySpec& policy);

}  // namespace onnxquant

#endif  // ONNXQUANT_POLICY_H_
