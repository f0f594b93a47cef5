// Puts one file of a set in place, or takes it back, from whatever state an earlier process left.
#ifndef ONNXQUANT_LIB_FILES_PLACING_H_
#define ONNXQUANT_LIB_FILES_PLACING_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/folder.h"
#include "lib/files/journal.h"

namespace onnxquant {

enum class Standing { kNothing, kNew, kOld, kOther };

// What stands under the three names of an entry.
struct Sight {
  Standing target = Standing::kNothing;
  Standing staged = Standing::kNothing;
  Standing aside = Standing::kNothing;
};

absl::StatusOr<Sight> LookAt(const Folder& folder, const JournalEntry& entry);

// Whether the entry is done, or can be: the new file is there, and nobody put another one in its
// place. Taking an entry back destroys the new file, so that a set that was begun to be taken back
// is never finished afterwards.
bool CanPlace(const JournalEntry& entry, const Sight& sight);

// Nothing to do where it is done. There is no moment in which neither the old nor the new file has
// the name, unless the file system knows neither exchanging nor hard links.
absl::Status Place(const Folder& folder, const JournalEntry& entry);
// Fails where the old file is gone.
absl::Status TakeBack(const Folder& folder, const JournalEntry& entry);
// Removes what is left under temporary names, as far as that goes: later runs try again.
void RemoveLeftovers(const Folder& folder, const JournalEntry& entry);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_PLACING_H_
