// What stands beside a finished data file: that it is done, by whom it was asked for, and what came
// of making it besides its bytes.
#ifndef ONNXQUANT_LIB_PARTS_RECORD_H_
#define ONNXQUANT_LIB_PARTS_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/convert/output_writer.h"
#include "onnxquant/manifest.h"

namespace onnxquant {

struct Record {
  std::string manifest;  // its id
  std::string file;
  std::uint64_t bytes = 0;
  std::string sha256;
  Part part;  // that made it; for people, and for lists of what is missing
  std::vector<InlinePayload> payloads;  // for the .onnx file
  std::vector<std::string> warnings;    // of the conversion of its values
};

std::string RecordName(const std::string& file);
std::string ToText(const Record& record);
// Errors say what is wrong, and begin with `origin`.
absl::StatusOr<Record> ParseRecord(const std::string& text, const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_RECORD_H_
