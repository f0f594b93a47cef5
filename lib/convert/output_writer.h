// Writes planned outputs into a folder: all or none.
#ifndef ONNXQUANT_LIB_CONVERT_OUTPUT_WRITER_H_
#define ONNXQUANT_LIB_CONVERT_OUTPUT_WRITER_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lib/convert/planned_output.h"
#include "lib/files/folder.h"
#include "lib/methods/choose.h"
#include "lib/model/model.h"
#include "lib/model/web_config.h"
#include "onnxquant/quantize.h"

namespace onnxquant {

// The payload of an initializer that lies inside the .onnx file.
struct InlinePayload {
  int initializer = 0;
  std::string bytes;
};

// Data files that others have made before: what is left to do is of the .onnx files alone.
struct MadeBefore {
  struct Output {
    std::vector<std::size_t> jobs;        // of Rewritten::jobs, those left to do
    std::vector<InlinePayload> payloads;  // that came of the others
  };
  FolderPtr folder;  // holds the data files of all outputs, under their names
  std::vector<Output> outputs;
};

struct WriteJob {
  const Model* model = nullptr;
  const std::vector<PlannedOutput>* outputs = nullptr;
  std::vector<std::string> inputs;  // files that no output replaces, under whatever name
  std::string directory;
  std::string config;  // path of config.json; "" to leave it
  std::vector<WebConfigEntry> config_entries;
  const MadeBefore* made = nullptr;          // null: all is to be made
  methods::FactorSource* factors = nullptr;  // of the calibration that the plan was made with
};

// `warnings`, by output, receives what the conversion of the values had to report. `finish` makes
// the report of all that, for the texts that appear together with the outputs.
absl::Status WriteOutputs(const WriteJob& job, const ApplyOptions& options,
                          const std::function<Report()>& finish,
                          std::vector<std::vector<std::string>>& warnings);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_OUTPUT_WRITER_H_
