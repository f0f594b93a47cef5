// What a conversion will do or has done, as plain data: the tables of the command line, the JSON
// report and the notebooks all show this.
#ifndef ONNXQUANT_REPORT_H_
#define ONNXQUANT_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "onnxquant/export.h"

namespace onnxquant {

// TensorRow::format of a weight that comes in codes and stays as it is.
inline constexpr char kCodesOfSource[] = "codes of the source";

// One stored form of one constant of the input.
struct TensorRow {
  std::string name;  // of the constant in the input
  std::vector<std::int64_t> shape;
  std::string role;    // of the node that reads it; "" for none
  int layer = -1;      // of that node; -1 outside layers
  std::string format;  // "float16", "int4 block 32 symmetric"
  std::uint64_t input_bytes = 0;
  std::uint64_t bytes = 0;             // as stored, scales and zero points included
  std::vector<std::string> stored_as;  // names in the output
  // The constant whose bytes it has in the output, which are stored once and counted there; ""
  // for none.
  std::string same_as;
  std::string method;     // of codes: nearest, search, gptq; "" for floats
  std::string statistic;  // the value whose moments the method reads; "" for none
  std::string gradients;  // the output whose gradients weigh them; "" for none
  // Why it stays as it is, in floats or in the source's codes, where the policy asked for codes; ""
  // otherwise.
  std::string left;
  std::vector<std::string> why;  // in order; the last that sets a field wins
};

// One node whose arithmetic the plan decides.
struct NodeRow {
  std::string name;
  std::string op;
  std::string role;
  int layer = -1;
  std::string compute;               // "float32" or "float16"
  std::vector<std::string> outputs;  // names of its values in the input
  std::string evidence;              // for the role
  std::vector<std::string> why;
};

// One float graph input or output.
struct ValueRow {
  std::string name;
  std::string role;
  bool input = false;
  std::string type;
  std::vector<std::string> why;
};

// One file as it is written.
struct FileRow {
  std::string name;  // without folder
  std::uint64_t bytes = 0;
};

// What all weights of one format come to.
struct FormatRow {
  std::string format;
  int tensors = 0;
  std::uint64_t bytes = 0;
};

// One output: its files and every decision in it.
struct OutputReport {
  std::string dtype;
  std::string policy;
  std::vector<FileRow> files;  // the .onnx file first, then its data files
  std::vector<FormatRow> formats;
  std::vector<TensorRow> tensors;
  std::vector<NodeRow> nodes;
  std::vector<ValueRow> values;
  int casts = 0;                   // Cast nodes put in
  int float32_values = 0;          // float values (edges) that stay float32
  int half_values = 0;             // float values that become float16
  int shared_tensors = 0;          // stored tensors that have the bytes of others, and
  std::uint64_t shared_bytes = 0;  // what that saves
  int tied_tensors = 0;            // codes that are stored once for several operators, and
  std::uint64_t tied_bytes = 0;    // what that saves
  std::string residual;            // what is done to the residual stream; "" for nothing
  std::string rope_cache;          // what is done with tables of rotary embeddings; "" for nothing
  std::vector<std::string> runs;   // of each target that was asked for, how it runs there
  std::vector<std::string> warnings;

  std::uint64_t TotalBytes() const {
    std::uint64_t total = 0;
    for (const FileRow& file : files) total += file.bytes;
    return total;
  }
};

// All outputs of one model.
struct Report {
  std::string input;                     // path of the model
  std::vector<std::string> input_files;  // the model and its data files, as far as they are files
  std::uint64_t input_bytes = 0;         // with its external data
  std::string policy_choice;             // why this policy, where it was left open; else ""
  std::string directory;                 // where the outputs go
  std::string config;                    // path of the config.json that is updated; "" for none
  std::vector<OutputReport> outputs;
  std::uint64_t bytes_read = 0;  // of the input's weights
  double seconds = 0;            // of ApplyPlan; 0 in a plan
};

// UTF-8, indented by two spaces, keys in a fixed order, newline at the end. The keys are the fields
// above.
ONNXQUANT_EXPORT std::string ToJson(const Report& report);

}  // namespace onnxquant

#endif  // ONNXQUANT_REPORT_H_
