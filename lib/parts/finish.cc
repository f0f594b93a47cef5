#include "lib/parts/finish.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr std::size_t kNamed = 20;  // files in a message

struct Missing {
  std::size_t index = 0;
  std::string why;
};

// What the file's jobs put into the .onnx file, as the record must hold it.
absl::Status CheckPayloads(const PlannedOutput& output, const DataFile& file,
                           const Record& record) {
  std::map<int, std::uint64_t> expected;
  for (const std::size_t job : file.owned) {
    for (const int target : InlineTargets(output, job)) {
      expected[target] = output.rewritten.bytes[static_cast<std::size_t>(target)];
    }
  }
  bool fits = record.payloads.size() == expected.size();
  for (const InlinePayload& payload : record.payloads) {
    const auto one = expected.find(payload.initializer);
    fits = fits && one != expected.end() && one->second == payload.bytes.size();
    if (one != expected.end()) expected.erase(one);
  }
  if (fits) return absl::OkStatus();
  return UsageError("its tensors for the .onnx file are not those that the manifest asks for");
}

// The number of parts that most records speak of; 1 without any.
int UsualNumberOfParts(const std::vector<DataFileState>& states) {
  std::map<int, int> counts;
  for (const DataFileState& found : states) {
    if (found.record.has_value()) ++counts[found.record->part.of];
  }
  int usual = 1;
  for (const auto& [of, count] : counts) {
    if (count > counts[usual]) usual = of;
  }
  return std::max(usual, 1);
}

absl::Status Incomplete(const Manifest& manifest, absl::Span<const DataFile> files,
                        const std::vector<Missing>& missing, int of) {
  std::vector<std::string> lines;
  std::set<int> parts;
  for (const Missing& one : missing) {
    const int number = NumberOfPart(files, one.index, of);
    parts.insert(number);
    if (lines.size() == kNamed) continue;
    lines.push_back(
        absl::StrCat("\n  part ", number, "/", of, ": ", files[one.index].name, " ", one.why));
  }
  if (missing.size() > kNamed) {
    lines.push_back(absl::StrCat("\n  … and ", missing.size() - kNamed, " more; parts ",
                                 absl::StrJoin(parts, ", ")));
  }
  return MakeError(ErrorKind::kVerify,
                   absl::StrCat(manifest.path, ": ", missing.size(), " of ", files.size(),
                                " data files are not done:", absl::StrJoin(lines, ""),
                                "\n  run 'onnxquant apply --manifest ", manifest.path, " --part ",
                                *parts.begin(), "/", of, "'",
                                parts.size() > 1 ? " and the other parts" : "", " again"));
}

}  // namespace

absl::StatusOr<MadeByParts> GatherParts(const Manifest& manifest, const PlanAccess::State& state,
                                        absl::Span<const DataFile> files, const Staging& staging,
                                        const PartOptions& options) {
  MadeByParts result;
  result.made.folder = staging.folder();
  result.made.outputs.resize(state.outputs.size());
  result.warnings.resize(state.outputs.size());
  std::vector<DataFileState> states;
  std::vector<Missing> missing;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const DataFile& file = files[i];
    ONNXQUANT_ASSIGN_OR_RETURN(DataFileState found,
                               staging.Look({manifest.id, file.name, file.bytes, options.verify},
                                            options.apply.cancelled));
    if (found.record.has_value()) {
      const absl::Status status = CheckPayloads(state.outputs[file.output], file, *found.record);
      if (!status.ok()) {
        found.why_not = absl::StrCat("has a damaged record: ", std::string(status.message()));
        found.record.reset();
      }
    }
    if (!found.record.has_value()) missing.push_back({i, found.why_not});
    states.push_back(std::move(found));
  }
  if (!missing.empty()) {
    return Incomplete(manifest, files, missing, UsualNumberOfParts(states));
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    Record& record = *states[i].record;
    auto& payloads = result.made.outputs[files[i].output].payloads;
    std::move(record.payloads.begin(), record.payloads.end(), std::back_inserter(payloads));
    auto& warnings = result.warnings[files[i].output];
    std::move(record.warnings.begin(), record.warnings.end(), std::back_inserter(warnings));
  }
  for (std::size_t i = 0; i < state.outputs.size(); ++i) {
    result.made.outputs[i].jobs = JobsOfModelFile(state.outputs[i]);
  }
  return result;
}

absl::StatusOr<bool> IsInPlace(const Manifest& manifest, const PlanAccess::State& state,
                               absl::Span<const DataFile> files, const Staging& staging,
                               const PartOptions& options) {
  if (staging.IsFinished(manifest.id)) return true;
  const absl::StatusOr<FolderPtr> folder = Folder::Open(state.report.directory, "-o");
  if (!folder.ok() || files.empty()) return false;
  for (const PlannedOutput& output : state.outputs) {
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, (*folder)->Look(output.file_name));
    if (!there.exists) return false;
  }
  std::vector<std::string> moved;  // their hashes are compared last, since that takes long
  std::vector<std::string> hashes;
  for (const DataFile& file : files) {
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, (*folder)->Look(file.name));
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState staged, staging.folder()->Look(file.name));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<Record> record,
                               staging.RecordOf(manifest.id, file.name));
    if (!there.exists || !record.has_value() || there.identity.size != file.bytes) return false;
    if (staged.exists && !(staged.identity == there.identity)) return false;
    if (staged.exists) continue;
    moved.push_back(file.name);
    hashes.push_back(record->sha256);
  }
  for (std::size_t i = 0; i < moved.size(); ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, (*folder)->Look(moved[i]));
    ONNXQUANT_ASSIGN_OR_RETURN(
        const std::string hash,
        Staging::HashOf(**folder, moved[i], there.identity.size, options.apply.cancelled));
    if (hash != hashes[i]) return false;
  }
  return true;
}

}  // namespace onnxquant
