// What is in a model, as plain data.
#ifndef ONNXQUANT_LIB_INSPECT_INSPECT_H_
#define ONNXQUANT_LIB_INSPECT_INSPECT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/checkpoint/compare.h"
#include "lib/lattice/lattice.h"
#include "lib/model/model.h"

namespace onnxquant {

struct InspectedValue {
  std::string name;
  std::string type;   // "float32"; "" where it is no tensor
  std::string shape;  // "[batch_size, sequence_length]"
  std::string role;
};

struct InspectedCount {
  std::string name;
  int count = 0;
};

struct InspectedRole {
  std::string role;
  int nodes = 0;
  std::string example;   // a node's name
  std::string evidence;  // of that node
};

// A node that may have one of several roles, and has none.
struct InspectedAmbiguity {
  std::string node;
  std::string why;
};

struct InspectedHazard {
  std::string hazard;
  int nodes = 0;
  struct Example {
    std::string node;  // its name, or what it makes
    std::string why;
  };
  std::vector<Example> examples;  // of the first few nodes
};

// One kind of fault, in short: see onnxquant/check.h.
struct InspectedFinding {
  std::string kind;
  std::string severity;
  std::string place;  // the first
  int count = 0;
};

struct InspectedWeight {
  std::string name;
  std::string type;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
  std::string role;  // of the first node that reads it
  int layer = -1;
  std::optional<Lattice> lattice;  // on which its values lie; only where they are looked at
};

struct InspectedFile {
  std::string location;
  std::uint64_t bytes = 0;
  int tensors = 0;
};

struct Inspection {
  std::string path;
  std::uint64_t file_bytes = 0;
  int ir_version = 0;
  std::string producer;
  std::vector<std::string> opsets;  // "ai.onnx 21"
  int nodes = 0;
  int layers = 0;
  std::vector<InspectedValue> inputs;
  std::vector<InspectedValue> outputs;
  std::vector<InspectedCount> ops;          // by count, then name
  std::vector<InspectedCount> value_types;  // element types of all values
  std::vector<InspectedRole> roles;
  std::vector<InspectedAmbiguity> ambiguous_roles;
  std::vector<InspectedHazard> hazards;    // those found, in the order of HazardNames()
  std::vector<InspectedWeight> weights;    // by size
  std::vector<InspectedFinding> findings;  // what 'check' finds, for WebGPU
  std::vector<InspectedFile> files;
  std::vector<std::string> unknown_ops;  // neither ONNX's nor in the table of ONNX Runtime's
  std::optional<CheckpointComparison> checkpoint;  // with the one that is given
};

// `checkpoint`: what to compare the weights with, a file or a folder; "": nothing.
absl::StatusOr<Inspection> InspectModel(const std::string& path,
                                        const std::string& checkpoint = "");
absl::StatusOr<Inspection> InspectModel(const Model& model, const std::string& checkpoint = "");
std::string ToJson(const Inspection& inspection);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_INSPECT_INSPECT_H_
