// The names of what a run leaves in folders while it writes: ".onnxquant-<host>-<process>-<random>"
// and an ending. By them a later run knows what it may remove, and whose it was.
#ifndef ONNXQUANT_LIB_FILES_OWN_NAMES_H_
#define ONNXQUANT_LIB_FILES_OWN_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace onnxquant {

enum class OwnKind {
  kTemporary,  // .tmp: a file before, or after, its time
  kJournal,    // .journal: a set that is being put in place
  kPointer,    // .pointer: leads from another folder of the set to its journal
};

struct OwnName {
  OwnKind kind = OwnKind::kTemporary;
  std::string id;
  std::string host;
  int process = 0;
};

// Unlike any other: "<host>-<process>-<random>".
std::string MakeId();
std::string NameOfOwn(OwnKind kind, const std::string& id);

// Nothing for any other name.
std::optional<OwnName> ParseOwnName(absl::string_view name);

// Whether the process that chose the name has ended, for sure: false for one of another machine or
// container, and for one of before a restart on a folder that several machines share.
bool OwnerIsDead(const OwnName& name);
// Whether it still runs, on this machine.
bool OwnerIsAlive(const OwnName& name);

// FNV-1a, to notice damage.
std::uint64_t Checksum(absl::string_view text);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_OWN_NAMES_H_
