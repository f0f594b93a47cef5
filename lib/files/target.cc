#include "lib/files/target.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "lib/base/error.h"

namespace onnxquant {
namespace {

const char* KindOfFile(mode_t mode) {
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "no regular file";
}

// Links like /dev/stdout stand for what a process has open: replacing one changes the system.
bool IsLinkOfTheSystem(const std::string& path) {
  std::error_code error;
  std::filesystem::path place = std::filesystem::absolute(path, error).lexically_normal();
  constexpr int kMostLinks = 40;  // as many as the system follows
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(place, error); ++i) {
    const std::filesystem::path target = std::filesystem::read_symlink(place, error);
    place = (place.parent_path() / target).lexically_normal();
    const std::string root =
        place.has_relative_path() ? place.relative_path().begin()->string() : "";
    if (root == "proc" || root == "dev") return true;
  }
  return false;
}

}  // namespace

std::string InputAt(const std::string& path, const std::vector<std::string>& inputs) {
  std::error_code error;
  for (const std::string& input : inputs) {
    if (std::filesystem::equivalent(path, input, error)) return input;
  }
  return "";
}

absl::StatusOr<FileState> CheckTarget(const Folder& folder, const std::string& name,
                                      const TargetRules& rules,
                                      const std::vector<std::string>& inputs) {
  if (name.empty() || name == "." || name == ".." ||
      std::filesystem::path(name).filename() != name) {
    return WriteError(folder.PathOf(name), ": '", name,
                      "' is no plain file name; choose another place (", rules.option, ")");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState state, folder.Look(name));
  if (!state.exists) return state;
  const std::string path = folder.PathOf(name);
  if (const std::string input = InputAt(path, inputs); !input.empty()) {
    return WriteError(path, ": is part of the input (", input,
                      "), which is never written to; choose another place (", rules.option, ")");
  }
  mode_t mode = state.mode;
  struct stat status = {};
  if (S_ISLNK(mode)) mode = stat(path.c_str(), &status) == 0 ? status.st_mode : S_IFREG;
  if (S_ISDIR(mode))
    return WriteError(path, ": is a folder; choose another place (", rules.option, ")");
  if (!S_ISREG(mode)) {
    return WriteError(path, ": is ", KindOfFile(mode),
                      ", and only files are ever replaced; choose another place (", rules.option,
                      ")");
  }
  if (S_ISLNK(state.mode) && IsLinkOfTheSystem(path)) {
    return WriteError(path,
                      ": is a link to what a process has open, and only files are ever "
                      "replaced; choose another place (",
                      rules.option, ")");
  }
  if (rules.force) return state;
  if (!rules.update) {
    return WriteError(path, ": exists already; --force replaces it, ", rules.option,
                      " writes elsewhere");
  }
  if ((state.mode & 0222) == 0) {
    return WriteError(path, ": is read-only; --force updates it all the same, ", rules.option);
  }
  return state;
}

}  // namespace onnxquant
