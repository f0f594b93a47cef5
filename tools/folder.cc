#include "tools/folder.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "onnxquant/sessions.h"

namespace onnxquant::cli {

bool IsFolder(const std::string& model) {
  std::error_code error;
  return std::filesystem::is_directory(model, error);
}

absl::Status RefuseSessions(const ConversionOptions& conversion) {
  if (conversion.sessions.empty()) return absl::OkStatus();
  return UsageError("--session is of the models in a folder, and ", conversion.model, " is none");
}

absl::Status RefuseWhatIsOfOne(const std::string& folder, const std::string& of_one) {
  if (of_one.empty()) return absl::OkStatus();
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Session> sessions, FindSessions(folder));
  const std::string names = absl::StrJoin(
      sessions, ", ", [](std::string* out, const Session& session) { *out += session.name; });
  return UsageError(of_one, " is of one model, and ", folder, " is a folder of ", names,
                    "; name the file of one");
}

absl::StatusOr<std::vector<ConversionOptions>> ConversionsOf(const ConversionOptions& folder,
                                                             const std::string& of_one,
                                                             const Surroundings& surroundings) {
  ONNXQUANT_RETURN_IF_ERROR(RefuseWhatIsOfOne(folder.model, of_one));
  ONNXQUANT_ASSIGN_OR_RETURN(FolderOptions options,
                             OptionsForFolder(folder.model, folder.plan, folder.sessions));
  if (!options.agreed.empty() && surroundings.notice) surroundings.notice(options.agreed);
  std::vector<ConversionOptions> all;
  for (SessionOptions& session : options.sessions) {
    ConversionOptions one = folder;
    one.model = std::move(session.session.path);
    one.plan = std::move(session.options);
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace onnxquant::cli
