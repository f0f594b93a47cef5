#include "lib/convert/output_place.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/files/folder.h"
#include "lib/policy/dtypes.h"

namespace onnxquant {

OutputPlace PlaceOf(const std::string& model_path, const std::string& asked,
                    const std::string& base) {
  const std::filesystem::path path(asked);
  std::error_code error;
  if (asked.empty()) return {ParentFolder(model_path), "", base};
  if (path.extension() != ".onnx" || std::filesystem::is_directory(path, error)) {
    return {asked, "", base};
  }
  return {ParentFolder(asked), path.filename().string(), SplitStem(path.stem().string()).base};
}

absl::Status RefuseOneFileForMany(const OutputPlace& place, const std::vector<OutputPlan>& plans) {
  if (place.file.empty() || plans.size() == 1) return absl::OkStatus();
  const std::string dtypes = absl::StrJoin(
      plans, ", ",
      [](std::string* out, const OutputPlan& plan) { absl::StrAppend(out, plan.dtype); });
  return UsageError("-o ", place.file, " names one file, and there are ", plans.size(),
                    " outputs (", dtypes, "): choose one of them with --dtype, or name a folder");
}

}  // namespace onnxquant
