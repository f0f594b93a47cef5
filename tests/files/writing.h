// What the tests of written files have in common.
#ifndef ONNXQUANT_TESTS_FILES_WRITING_H_
#define ONNXQUANT_TESTS_FILES_WRITING_H_

#include <cstddef>
#include <string>

#include "absl/types/span.h"
#include "lib/files/folder.h"
#include "lib/files/journal.h"
#include "lib/files/own_names.h"
#include "lib/files/records.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {

inline absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline FolderPtr Opened(const std::string& path) {
  return *Folder::Open(path, "-o");
}

inline std::string NewTemporary() {
  return NameOfOwn(OwnKind::kTemporary, MakeId());
}

// A set in one folder: "kept" is replaced, "fresh" is placed, "stale" is removed. The new files
// stand under their temporary names.
inline PendingSet MakeSet(const TempFolder& temp) {
  PendingSet set;
  set.folders.push_back(Opened(temp.path()));
  set.journal.id = MakeId();
  const Folder& folder = *set.folders.front();
  const auto add = [&](JournalEntry::Action action, const std::string& name) {
    JournalEntry entry;
    entry.action = action;
    entry.name = name;
    if (action != JournalEntry::Action::kPlace) {
      temp.Write(name, "old");
      entry.aside = NewTemporary();
      entry.old = folder.Look(name)->identity;
    }
    if (action != JournalEntry::Action::kRemove) {
      entry.staged = NewTemporary();
      temp.Write(entry.staged, "new one");
      entry.made = folder.Look(entry.staged)->identity;
    }
    set.journal.entries.push_back(entry);
  };
  add(JournalEntry::Action::kReplace, "kept");
  add(JournalEntry::Action::kPlace, "fresh");
  add(JournalEntry::Action::kRemove, "stale");
  return set;
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_FILES_WRITING_H_
