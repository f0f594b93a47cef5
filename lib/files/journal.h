// What a run writes down before it puts a set of files in place: enough for any later run to see
// how far it came, and to finish it or take it back.
#ifndef ONNXQUANT_LIB_FILES_JOURNAL_H_
#define ONNXQUANT_LIB_FILES_JOURNAL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/files/folder.h"

namespace onnxquant {

struct JournalEntry {
  enum class Action {
    kPlace,    // where nothing stands
    kReplace,  // `old`
    kRemove,   // `old`, of an earlier and larger set
  };
  Action action = Action::kPlace;
  std::size_t folder = 0;  // 0: the journal's own; n: folders[n - 1]
  std::string name;
  std::string staged;  // temporary name of the new file, or of the old one once they are exchanged
  std::string aside;   // temporary name of the old file where they cannot be exchanged
  FileIdentity made;   // the new file
  FileIdentity old;
};

// Where another folder of the set lies. Both may be wrong after folders were moved; the one that
// holds the pointer with the journal's id is it.
struct FolderPlace {
  std::string absolute;
  std::string relative;  // to the folder of the record
};

struct Journal {
  std::string id;  // see own_names.h
  std::vector<FolderPlace> folders;
  std::vector<JournalEntry> entries;
};

// Lines of text, of which the last holds a checksum.
std::string WriteJournal(const Journal& journal);
std::string WritePointer(const FolderPlace& place);

// Errors (kWrite) say what is wrong, without a place. Whatever the text says, names are plain ones
// inside the folders, and those of temporaries are such as own_names.h makes.
absl::StatusOr<Journal> ReadJournal(absl::string_view text, const std::string& id);
absl::StatusOr<FolderPlace> ReadPointer(absl::string_view text);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_JOURNAL_H_
