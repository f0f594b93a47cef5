#include "tools/folder.h"

#include <fnmatch.h>

#include <filesystem>
#include <set>
#include <string>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "onnxquant/choose_policy.h"
#include "onnxquant/sessions.h"

namespace onnxquant::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kSkip[] = "skip";

// "decoder*=q4f16:fp16,q4f16": which models, which policy, which of its outputs.
struct Choice {
  std::string text;
  std::string glob;
  std::string policy;
  std::vector<std::string> dtypes;  // empty: those of --dtype
};

absl::StatusOr<Choice> ParseChoice(const std::string& text) {
  Choice choice;
  choice.text = text;
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return UsageError("--session: found '", text,
                      "'; expected NAME=POLICY, NAME=POLICY:DTYPE,… or NAME=skip");
  }
  choice.glob = text.substr(0, equals);
  const std::string what = text.substr(equals + 1);
  const std::size_t colon = what.rfind(':');
  choice.policy = what.substr(0, colon);
  if (colon != std::string::npos) {
    choice.dtypes = absl::StrSplit(what.substr(colon + 1), ',', absl::SkipEmpty());
    if (choice.dtypes.empty() || choice.policy.empty()) {
      return UsageError("--session: '", text, "' names no ",
                        choice.policy.empty() ? "policy" : "dtype", " beside the ':'");
    }
  }
  return choice;
}

std::string NamesOf(const std::vector<Session>& sessions) {
  return absl::StrJoin(sessions, ", ", [](std::string* out, const Session& session) {
    absl::StrAppend(out, session.name);
  });
}

absl::Status RefuseWhatIsOfOne(const ConversionOptions& folder, const std::string& of_one,
                               const std::vector<Session>& sessions) {
  if (!of_one.empty()) {
    return UsageError(of_one, " is of one model, and ", folder.model, " is a folder of ",
                      NamesOf(sessions), "; name the file of one");
  }
  if (absl::EndsWith(folder.plan.output, ".onnx")) {
    return UsageError("-o ", folder.plan.output, " names one file, and ", folder.model,
                      " is a folder of ", NamesOf(sessions), "; name a folder");
  }
  return absl::OkStatus();
}

// Where outputs are to go: beside the model, or in a folder that is laid out as the source's.
std::string OutputFor(const ConversionOptions& folder, const Session& session) {
  if (folder.plan.output.empty()) return "";
  const fs::path parent = fs::path(session.path).parent_path();
  std::error_code error;
  const bool inner = !fs::equivalent(parent, folder.model, error);
  return inner ? (fs::path(folder.plan.output) / parent.filename()).string() : folder.plan.output;
}

// What one model gives another takes. Where families ask for different policies, all models that
// are left open get that of language models, of which every model takes what it can.
absl::Status AgreeOnAPolicy(const std::string& folder, const Surroundings& surroundings,
                            std::vector<ConversionOptions>& all) {
  constexpr char kForAll[] = "llm-web";
  std::set<std::string> policies;
  std::vector<std::string> chosen;
  for (const ConversionOptions& one : all) {
    if (one.plan.policy != kAutoPolicy) continue;
    ONNXQUANT_ASSIGN_OR_RETURN(const PolicyChoice choice, ChoosePolicy(one.model));
    chosen.push_back(absl::StrCat(fs::path(one.model).filename().string(), " ", choice.policy));
    policies.insert(choice.policy);
  }
  if (policies.size() < 2) return absl::OkStatus();
  for (ConversionOptions& one : all) {
    if (one.plan.policy == kAutoPolicy) one.plan.policy = kForAll;
  }
  if (surroundings.notice) {
    surroundings.notice(absl::StrCat(folder, ": by themselves its models would get ",
                                     absl::StrJoin(chosen, ", "), "; together all get ", kForAll,
                                     ", so that what one gives fits what another takes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RefuseSessions(const ConversionOptions& conversion) {
  if (conversion.sessions.empty()) return absl::OkStatus();
  return UsageError("--session is of the models in a folder, and ", conversion.model, " is none");
}

bool IsFolder(const ConversionOptions& conversion) {
  std::error_code error;
  return fs::is_directory(conversion.model, error);
}

absl::StatusOr<std::vector<ConversionOptions>> ConversionsOf(const ConversionOptions& folder,
                                                             const std::string& of_one,
                                                             const Surroundings& surroundings) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Session> sessions, FindSessions(folder.model));
  ONNXQUANT_RETURN_IF_ERROR(RefuseWhatIsOfOne(folder, of_one, sessions));
  std::vector<Choice> choices;
  for (const std::string& text : folder.sessions) {
    ONNXQUANT_ASSIGN_OR_RETURN(choices.emplace_back(), ParseChoice(text));
  }
  std::vector<bool> fits(choices.size(), false);
  std::vector<ConversionOptions> all;
  for (const Session& session : sessions) {
    ConversionOptions one = folder;
    one.model = session.path;
    one.plan.output = OutputFor(folder, session);
    for (std::size_t i = 0; i < choices.size(); ++i) {  // the last that fits decides
      if (fnmatch(choices[i].glob.c_str(), session.name.c_str(), 0) != 0) continue;
      fits[i] = true;
      one.plan.policy = choices[i].policy;
      one.plan.dtypes = choices[i].dtypes.empty() ? folder.plan.dtypes : choices[i].dtypes;
    }
    if (one.plan.policy != kSkip) all.push_back(std::move(one));
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (fits[i]) continue;
    return UsageError("--session ", choices[i].text, " fits none of the models in ", folder.model,
                      ", which are ", NamesOf(sessions));
  }
  if (all.empty()) {
    return UsageError("--session leaves none of ", NamesOf(sessions), " to convert");
  }
  ONNXQUANT_RETURN_IF_ERROR(AgreeOnAPolicy(folder.model, surroundings, all));
  return all;
}

}  // namespace onnxquant::cli
