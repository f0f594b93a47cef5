// damaged_data: tensors whose data are missing, too short, or of another length than their shape.
#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/check/checkers.h"

namespace onnxquant {

// One finding for each file.
absl::Status FindDamagedData(const CheckContext& context, const char* kind,
                             std::vector<Finding>& findings) {
  std::map<std::string, Finding> by_file;
  for (const Damage& damage : context.model.damages()) {
    Finding& finding = by_file[damage.file];
    if (finding.count++ == 0) {
      const std::filesystem::path folder =
          std::filesystem::path(context.model.path()).parent_path();
      finding.kind = kind;
      finding.place = damage.file.empty() ? context.model.path() : (folder / damage.file).string();
      finding.evidence = absl::StrCat(damage.place, damage.place.empty() ? "" : ": ", damage.what);
      finding.remedy = absl::StrContains(damage.what, "cannot be found")
                           ? "download or copy the file beside the model, under this very name"
                           : "download the model and its data files again, or export it again";
    }
    if (!damage.place.empty()) finding.places.push_back(damage.place);
  }
  for (auto& [unused, finding] : by_file) findings.push_back(std::move(finding));
  return absl::OkStatus();
}

}  // namespace onnxquant
