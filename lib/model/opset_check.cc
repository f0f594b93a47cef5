#include "lib/model/opset_check.h"

#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include "lib/base/error.h"

namespace onnxquant {

absl::Status CheckOpsets(const onnx::ModelProto& model) {
  std::map<std::string, std::int64_t> versions;
  for (const onnx::OperatorSetIdProto& import : model.opset_import()) {
    const std::string domain = import.domain().empty() ? "ai.onnx" : import.domain();
    const std::int64_t version = import.version();
    if (version < 1 || version > std::numeric_limits<std::int32_t>::max()) {
      return ModelError("imports opset ", version, " of ", domain,
                        ", which no runtime has; export the model again");
    }
    const auto [first, added] = versions.try_emplace(domain, version);
    if (!added && first->second != version) {
      return ModelError("imports two opsets of ", domain, ", ", first->second, " and ", version,
                        "; a model has one of each domain: export it again");
    }
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
