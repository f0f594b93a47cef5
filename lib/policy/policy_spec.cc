#include <yaml-cpp/yaml.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "onnxquant/policy.h"

namespace onnxquant {
namespace {

// Keys whose value is not given are left out.
void Put(YAML::Node& node, const char* key, const std::string& value) {
  if (!value.empty()) node[key] = value;
}

void Put(YAML::Node& node, const char* key, const std::vector<std::string>& values) {
  if (values.size() == 1) node[key] = values.front();
  if (values.size() > 1) node[key] = values;
}

// Numbers as texts: yaml-cpp would write them as the process's locale has it.
std::string Word(bool value) {
  return value ? "true" : "false";
}
std::string Word(int value) {
  return absl::StrCat(value);
}
std::string Word(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  return absl::StrFormat("%.17g", value);
}

template <typename T>
void Put(YAML::Node& node, const char* key, const std::optional<T>& value) {
  if (value) node[key] = Word(*value);
}

void Put(YAML::Node& node, const char* key, const YAML::Node& child) {
  if (child.size() > 0) node[key] = child;
}

YAML::Node Flow() {
  YAML::Node node(YAML::NodeType::Map);
  node.SetStyle(YAML::EmitterStyle::Flow);
  return node;
}

YAML::Node WeightsNode(const PolicyWeights& weights) {
  YAML::Node node = Flow();
  Put(node, "format", weights.format);
  Put(node, "block", weights.block);
  Put(node, "symmetric", weights.symmetric);
  Put(node, "source", weights.source);
  return node;
}

void PutFields(YAML::Node& node, const PolicyFields& fields) {
  Put(node, "compute", fields.compute);
  Put(node, "weights", WeightsNode(fields.weights));
  Put(node, "io", fields.io);
  Put(node, "accuracy_level", fields.accuracy_level);
  YAML::Node constants = Flow();
  Put(constants, "overflow", fields.overflow);
  Put(node, "constants", constants);
  // More than one way with the stream is a contradiction, which the parser names.
  YAML::Node residual = Flow();
  if (fields.rescale == 0) {
    residual["rescale"] = "auto";
  } else {
    Put(residual, "rescale", fields.rescale);
  }
  Put(residual, "clip", fields.clip);
  if (!fields.residual.empty() && residual.size() > 0) residual[fields.residual] = true;
  Put(node, "residual", residual);
  if (residual.size() == 0) Put(node, "residual", fields.residual);
  if (fields.rope_positions) {
    // With a word that has no number, the parser says what there is.
    const bool stored = fields.rope_cache.empty();
    YAML::Node rope_cache = Flow();
    Put(rope_cache, stored ? "positions" : fields.rope_cache.c_str(), fields.rope_positions);
    Put(node, "rope_cache", rope_cache);
  } else {
    Put(node, "rope_cache", fields.rope_cache);
  }
  Put(node, "method", fields.method);
  Put(node, "tie", fields.tie);
  if (fields.keep) node["keep"] = true;
}

YAML::Node MatchNode(const PolicyMatch& match) {
  YAML::Node node = Flow();
  Put(node, "role", match.role);
  Put(node, "op", match.op);
  Put(node, "name", match.name);
  Put(node, "regex", match.regex);
  Put(node, "weight", match.weight);
  Put(node, "layer", match.layer);
  Put(node, "hazard", match.hazard);
  YAML::Node range = Flow();
  Put(range, "peak_over", match.peak_over);
  Put(node, "range", range);
  Put(node, "calibrated", match.calibrated);
  Put(node, "lattice", match.lattice);
  YAML::Node elements = Flow();
  Put(elements, "min", match.least_elements);
  Put(elements, "max", match.most_elements);
  Put(node, "elements", elements);
  return node;
}

}  // namespace

std::string ToYaml(const PolicySpec& policy) {
  YAML::Node root(YAML::NodeType::Map);
  root["policy"] = 1;
  Put(root, "name", policy.name);
  Put(root, "description", policy.description);
  Put(root, "target", policy.target);
  YAML::Node outputs(YAML::NodeType::Map);
  for (const PolicyOutput& output : policy.outputs) {
    YAML::Node fields = Flow();
    PutFields(fields, output.fields);
    // Not by key: a dtype that stands twice must reach the parser, which refuses it.
    outputs.force_insert(output.dtype, fields);
  }
  Put(root, "outputs", outputs);
  YAML::Node rules(YAML::NodeType::Sequence);
  for (const PolicyRule& rule : policy.rules) {
    YAML::Node node(YAML::NodeType::Map);
    node["match"] = MatchNode(rule.match);
    Put(node, "when", rule.when);
    PutFields(node, rule.set);
    if (rule.optional) node["optional"] = true;
    rules.push_back(node);
  }
  Put(root, "rules", rules);
  YAML::Emitter emitter;
  emitter << root;
  return std::string(emitter.c_str()) + "\n";
}

}  // namespace onnxquant
