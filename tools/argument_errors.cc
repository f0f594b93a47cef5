#include "tools/argument_errors.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/suggest.h"

namespace onnxquant::cli {
namespace {

// What a word that starts like this may have been meant for.
std::vector<std::string> Candidates(const CLI::App& app, const CLI::App& command,
                                    const std::string& word) {
  std::vector<std::string> names;
  if (!absl::StartsWith(word, "-")) {
    for (const CLI::App* sub : app.get_subcommands({})) names.push_back(sub->get_name());
    return names;
  }
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

}  // namespace

std::string ArgumentError(const CLI::App* app, const CLI::Error& error) {
  const std::vector<CLI::App*> chosen = app->get_subcommands();
  const CLI::App& command = chosen.empty() ? *app : *chosen.front();
  std::string said = error.what();
  std::vector<std::string> extras = app->remaining(true);
  // The value of a misspelt option stands in another one's place, and drives that out.
  const auto is_option = [](const std::string& extra) { return absl::StartsWith(extra, "-"); };
  if (std::any_of(extras.begin(), extras.end(), is_option)) {
    extras.erase(std::remove_if(extras.begin(), extras.end(), std::not_fn(is_option)),
                 extras.end());
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !extras.empty()) {
    const std::string word = extras.front().substr(0, extras.front().find('='));
    said = absl::StrCat(absl::StrJoin(extras, ", ",
                                      [](std::string* out, const std::string& extra) {
                                        absl::StrAppend(out, "'", extra, "'");
                                      }),
                        extras.size() == 1 ? " is" : " are", " not expected",
                        DidYouMean(word, Candidates(*app, command, word)));
  }
  const std::string name =
      chosen.empty() ? "onnxquant" : absl::StrCat("onnxquant ", command.get_name());
  const char* join = absl::EndsWith(said, "?") ? " '" : "; '";
  return absl::StrCat("onnxquant: ", said, join, name, " --help' lists what is\n");
}

}  // namespace onnxquant::cli
