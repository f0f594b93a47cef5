#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "lib/policy/glob.h"
#include "onnxquant/choose_policy.h"
#include "onnxquant/sessions.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

constexpr char kSkip[] = "skip";

// "decoder*=q4f16:fp16,q4f16": which models, which policy, which of its outputs.
struct Choice {
  std::string text;
  std::string glob;
  std::string policy;
  std::vector<std::string> dtypes;  // empty: those of all
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

// Beside the model, or in a folder that is laid out as the source's.
std::string OutputFor(const std::string& folder, const std::string& output,
                      const Session& session) {
  if (output.empty()) return "";
  const fs::path parent = fs::path(session.path).parent_path();
  std::error_code error;
  const bool inner = !fs::equivalent(parent, folder, error);
  return inner ? (fs::path(output) / parent.filename()).string() : output;
}

// What one model gives another takes. Where families ask for different policies, all models that
// are left open get that of language models, of which every model takes what it can.
absl::StatusOr<std::string> AgreeOnAPolicy(const std::string& folder,
                                           std::vector<SessionOptions>& all) {
  constexpr char kForAll[] = "llm-web";
  std::set<std::string> policies;
  std::vector<std::string> chosen;
  const auto left_open = [](const SessionOptions& one) {
    return one.options.policy == kAutoPolicy && one.options.policy_yaml.empty();
  };
  for (const SessionOptions& one : all) {
    if (!left_open(one)) continue;
    ONNXQUANT_ASSIGN_OR_RETURN(const PolicyChoice choice, ChoosePolicy(one.session.path));
    chosen.push_back(
        absl::StrCat(fs::path(one.session.path).filename().string(), " ", choice.policy));
    policies.insert(choice.policy);
  }
  if (policies.size() < 2) return "";
  for (SessionOptions& one : all) {
    if (left_open(one)) one.options.policy = kForAll;
  }
  return absl::StrCat(folder, ": by themselves its models would get ", absl::StrJoin(chosen, ", "),
                      "; together all get ", kForAll,
                      ", so that what one gives fits what another takes");
}

}  // namespace

absl::StatusOr<FolderOptions> OptionsForFolder(const std::string& folder,
                                               const PlanOptions& options,
                                               const std::vector<std::string>& choices) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Session> sessions, FindSessions(folder));
  if (absl::EndsWith(options.output, ".onnx")) {
    return UsageError("-o ", options.output, " names one file, and ", folder, " is a folder of ",
                      NamesOf(sessions), "; name a folder");
  }
  std::vector<Choice> read;
  for (const std::string& text : choices) {
    ONNXQUANT_ASSIGN_OR_RETURN(read.emplace_back(), ParseChoice(text));
  }
  std::vector<bool> fits(read.size(), false);
  FolderOptions result;
  for (const Session& session : sessions) {
    SessionOptions one{session, options};
    one.options.output = OutputFor(folder, options.output, session);
    for (std::size_t i = 0; i < read.size(); ++i) {  // the last that fits decides
      if (!FitsGlob(read[i].glob, session.name)) continue;
      fits[i] = true;
      one.options.policy = read[i].policy;
      one.options.policy_yaml.clear();
      one.options.dtypes = read[i].dtypes.empty() ? options.dtypes : read[i].dtypes;
    }
    if (one.options.policy != kSkip) result.sessions.push_back(std::move(one));
  }
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (fits[i]) continue;
    return UsageError("--session ", read[i].text, " fits none of the models in ", folder,
                      ", which are ", NamesOf(sessions));
  }
  if (result.sessions.empty()) {
    return UsageError("--session leaves none of ", NamesOf(sessions), " to convert");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(result.agreed, AgreeOnAPolicy(folder, result.sessions));
  return result;
}

}  // namespace onnxquant
