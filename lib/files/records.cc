#include "lib/files/records.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/files/staged_file.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

absl::Status WriteRecord(const FolderPtr& folder, const std::string& name,
                         const std::string& text) {
  if (text.size() > static_cast<std::size_t>(limits::kJournalBytes)) {
    return WriteError(folder->path(), ": the list of the files to write has ", text.size(),
                      " bytes, expected at most ", limits::kJournalBytes,
                      ": write fewer and larger data files (--max-shard)");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(StagedFile file,
                             StagedFile::Create(folder, folder->PathOf(name), true));
  ONNXQUANT_RETURN_IF_ERROR(file.WriteAt(0, AsBytes(text)));
  ONNXQUANT_RETURN_IF_ERROR(file.Sync());
  ONNXQUANT_RETURN_IF_ERROR(file.NameIt(folder, name));
  ONNXQUANT_RETURN_IF_ERROR(folder->Sync());
  file.Release();
  return absl::OkStatus();
}

FolderPlace PlaceFrom(const Folder& folder, const Folder& other) {
  std::error_code error;
  const fs::path here = fs::canonical(folder.path(), error);
  const fs::path there = fs::canonical(other.path(), error);
  return {there.string(), there.lexically_relative(here).string()};
}

// Nothing where it is not there, or not to be trusted.
std::optional<std::string> ReadRecord(const Folder& folder, const std::string& name) {
  const Descriptor file(Retry([&] {
    return openat(folder.descriptor(), name.c_str(),
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  }));
  struct stat status = {};
  if (!file.valid() || fstat(file.number(), &status) != 0) return std::nullopt;
  const bool trusted =
      status.st_uid == geteuid() || status.st_uid == 0 || status.st_uid == folder.owner();
  if (!trusted || !S_ISREG(status.st_mode) || status.st_size > limits::kJournalBytes) {
    return std::nullopt;
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t part = Retry([&] {
      return pread(file.number(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    });
    if (part <= 0) return std::nullopt;
    done += static_cast<std::size_t>(part);
  }
  return text;
}

// The folder at the place that holds the record of this name.
FolderPtr OpenPlace(const Folder& folder, const FolderPlace& place, const std::string& record) {
  for (const std::string& path : {folder.PathOf(place.relative), place.absolute}) {
    if (path.empty()) continue;
    const absl::StatusOr<FolderPtr> other = Folder::Open(path, folder.option());
    if (other.ok() && ReadRecord(**other, record).has_value()) return *other;
  }
  return nullptr;
}

absl::StatusOr<PendingSet> FollowJournal(const FolderPtr& folder, const std::string& id) {
  const std::string name = NameOfOwn(OwnKind::kJournal, id);
  const std::optional<std::string> text = ReadRecord(*folder, name);
  if (!text.has_value()) return PendingSet();
  const std::string remedy = absl::StrCat("; remove it to keep all files as they are");
  absl::StatusOr<Journal> journal = ReadJournal(*text, id);
  if (!journal.ok()) {
    return WriteError(folder->PathOf(name), ": the record of an interrupted run ",
                      std::string(journal.status().message()), remedy);
  }
  PendingSet set;
  set.folders.push_back(folder);
  for (const FolderPlace& place : journal->folders) {
    FolderPtr other = OpenPlace(*folder, place, NameOfOwn(OwnKind::kPointer, id));
    if (other == nullptr) {
      return WriteError(folder->PathOf(name), ": an interrupted run wrote to ", place.absolute,
                        ", too, which is not there, or is another folder: bring it back, or "
                        "remove this record to keep all files as they are");
    }
    set.folders.push_back(std::move(other));
  }
  set.journal = *std::move(journal);
  return set;
}

// Where a pointer leads to.
enum class Lead { kJournal, kNothing, kUnclear };

Lead FollowPointer(const FolderPtr& folder, const std::string& id, FolderPtr& main) {
  const std::optional<std::string> text = ReadRecord(*folder, NameOfOwn(OwnKind::kPointer, id));
  if (!text.has_value()) return Lead::kUnclear;
  const absl::StatusOr<FolderPlace> place = ReadPointer(*text);
  if (!place.ok()) return Lead::kUnclear;
  main = OpenPlace(*folder, *place, NameOfOwn(OwnKind::kJournal, id));
  if (main != nullptr) return Lead::kJournal;
  // The journal is done with where the folder is there without it.
  const bool there = Folder::Open(folder->PathOf(place->relative), folder->option()).ok() ||
                     Folder::Open(place->absolute, folder->option()).ok();
  return there ? Lead::kNothing : Lead::kUnclear;
}

}  // namespace

absl::Status WriteRecords(const Journal& journal, absl::Span<const FolderPtr> folders) {
  absl::Status status;
  Journal placed = journal;
  for (std::size_t i = 1; i < folders.size() && status.ok(); ++i) {
    placed.folders.push_back(PlaceFrom(*folders[0], *folders[i]));
    status = WriteRecord(folders[i], NameOfOwn(OwnKind::kPointer, journal.id),
                         WritePointer(PlaceFrom(*folders[i], *folders[0])));
  }
  if (status.ok()) {
    status =
        WriteRecord(folders[0], NameOfOwn(OwnKind::kJournal, journal.id), WriteJournal(placed));
  }
  if (!status.ok()) static_cast<void>(RemoveRecords(journal, folders));
  return status;
}

absl::Status RemoveRecords(const Journal& journal, absl::Span<const FolderPtr> folders) {
  const std::string name = NameOfOwn(OwnKind::kJournal, journal.id);
  if (const int error = folders[0]->Remove(name); error != 0) {
    return folders[0]->Error(name, "removing it", error);
  }
  if (folders.size() == 1) return absl::OkStatus();
  // Should the power fail, the journal must not come back alone.
  ONNXQUANT_RETURN_IF_ERROR(folders[0]->Sync());
  for (const FolderPtr& folder : folders.subspan(1)) {
    folder->Remove(NameOfOwn(OwnKind::kPointer, journal.id));
  }
  return absl::OkStatus();
}

absl::StatusOr<Records> FindRecords(const FolderPtr& folder) {
  Records records;
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> names, folder->Names());
  std::vector<std::pair<std::string, OwnName>> found;
  for (const std::string& name : names) {
    std::optional<OwnName> own = ParseOwnName(name);
    if (own.has_value() && own->kind != OwnKind::kTemporary) found.emplace_back(name, *own);
  }
  if (found.size() > static_cast<std::size_t>(limits::kJournals)) {
    return WriteError(folder->path(), ": has ", found.size(), " records of interrupted runs (",
                      found.front().first, " and others), expected at most ", limits::kJournals,
                      ": remove them to keep all files as they are");
  }
  for (const auto& [name, own] : found) {
    FolderPtr main = folder;
    if (own.kind == OwnKind::kPointer) {
      const Lead lead = FollowPointer(folder, own.id, main);
      if (lead == Lead::kNothing) records.stale.push_back(name);
      if (lead == Lead::kUnclear) records.unclear.push_back(name);
      if (lead != Lead::kJournal) continue;
    }
    ONNXQUANT_ASSIGN_OR_RETURN(PendingSet set, FollowJournal(main, own.id));
    if (set.folders.empty()) {
      records.unclear.push_back(name);
    } else {
      records.sets.push_back(std::move(set));
    }
  }
  return records;
}

bool MayBeLive(const Journal& journal, bool asked) {
  const std::optional<OwnName> owner = ParseOwnName(NameOfOwn(OwnKind::kJournal, journal.id));
  if (!owner.has_value()) return true;
  return asked ? OwnerIsAlive(*owner) : !OwnerIsDead(*owner);
}

}  // namespace onnxquant
