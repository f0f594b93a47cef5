#include "lib/parts/staging.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/sha256.h"
#include "lib/files/own_names.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

constexpr char kOption[] = "-o";
constexpr char kUnfinished[] = ".tmp";
constexpr char kFinished[] = "finished";
constexpr std::size_t kChunk = 4 << 20;

// "FILE.<host>-<process>-<random>.tmp"
std::string UnfinishedName(const std::string& file) {
  return absl::StrCat(file, ".", MakeId(), kUnfinished);
}

bool IsUnfinished(const std::string& name, const std::string& file) {
  return absl::StartsWith(name, absl::StrCat(file, ".")) && absl::EndsWith(name, kUnfinished);
}

}  // namespace

absl::StatusOr<Staging> Staging::Make(const std::string& directory, const std::string& name) {
  const std::string path = (fs::path(directory) / name).string();
  std::error_code error;
  fs::create_directories(path, error);  // others may be at it: what counts is that it opens
  if (error && !fs::is_directory(path)) {
    return SystemError(path, "creating the folder", error.value(), kOption);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(FolderPtr folder, Folder::Open(path, kOption));
  return Staging(std::move(folder));
}

absl::StatusOr<std::optional<Staging>> Staging::Find(const std::string& directory,
                                                     const std::string& name) {
  const std::string path = (fs::path(directory) / name).string();
  std::error_code error;
  // One that is empty is what a run left that was killed at its very end.
  if (fs::is_empty(path, error)) rmdir(path.c_str());
  if (!fs::exists(path, error)) return std::optional<Staging>();
  ONNXQUANT_ASSIGN_OR_RETURN(FolderPtr folder, Folder::Open(path, kOption));
  return std::optional<Staging>(Staging(std::move(folder)));
}

// Whatever is wrong with its text is a status of its own: it is as if there were none.
absl::StatusOr<absl::StatusOr<Record>> Staging::ReadRecord(const std::string& manifest,
                                                           const std::string& file) const {
  const std::string path = folder_->PathOf(RecordName(file));
  const TextRule rule = {.kind = ErrorKind::kUsage,
                         .what = "the record of a data file",
                         .largest = limits::kRecordBytes};
  const absl::StatusOr<std::string> text = ReadText(path, rule);
  if (!text.ok()) return absl::StatusOr<Record>(text.status());
  absl::StatusOr<Record> record = ParseRecord(*text, path);
  if (record.ok() && record->manifest != manifest) {
    return UsageError(path, ": is of another manifest (", record->manifest.substr(0, 12),
                      "…) than this one (", manifest.substr(0, 12), "…): remove ", folder_->path(),
                      ", or give one of them another folder (paths.staging)");
  }
  return record;
}

absl::StatusOr<std::optional<Record>> Staging::RecordOf(const std::string& manifest,
                                                        const std::string& file) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, folder_->Look(RecordName(file)));
  if (!there.exists) return std::optional<Record>();
  ONNXQUANT_ASSIGN_OR_RETURN(absl::StatusOr<Record> record, ReadRecord(manifest, file));
  if (!record.ok()) return std::optional<Record>();
  return std::optional<Record>(*std::move(record));
}

absl::StatusOr<DataFileState> Staging::Look(const Expected& expected,
                                            const std::atomic<bool>* cancelled) const {
  DataFileState found;
  const std::string name = RecordName(expected.file);
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, folder_->Look(name));
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState data, folder_->Look(expected.file));
  if (!there.exists) {
    found.why_not = data.exists ? "has no record" : "is not there";
    return found;
  }
  ONNXQUANT_ASSIGN_OR_RETURN(absl::StatusOr<Record> record,
                             ReadRecord(expected.manifest, expected.file));
  if (!record.ok()) {
    found.why_not =
        absl::StrCat("has a damaged record (", std::string(record.status().message()), ")");
    return found;
  }
  if (record->file != expected.file || record->bytes != expected.bytes) {
    found.why_not = "has the record of another file";
  } else if (!data.exists || !S_ISREG(data.mode)) {
    found.why_not = data.exists ? "is no regular file" : "is not there, though its record is";
  } else if (data.identity.size != expected.bytes) {
    found.why_not = absl::StrCat("has ", data.identity.size, " bytes, expected ", expected.bytes);
  }
  if (found.why_not.empty() && expected.verify) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string hash,
                               HashOf(*folder_, expected.file, expected.bytes, cancelled));
    if (hash != record->sha256) found.why_not = "has another SHA-256 than its record says";
  }
  if (found.why_not.empty()) found.record = *std::move(record);
  return found;
}

void Staging::RemoveUnfinished(const std::string& file) const {
  const absl::StatusOr<std::vector<std::string>> names = folder_->Names();
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (IsUnfinished(name, file)) folder_->Remove(name);
  }
}

absl::StatusOr<StagedFile> Staging::Begin(const std::string& file, std::uint64_t bytes) const {
  RemoveUnfinished(file);
  // What is written anew is not done meanwhile.
  folder_->Remove(RecordName(file));
  ONNXQUANT_ASSIGN_OR_RETURN(StagedFile staged, StagedFile::CreateAs(folder_, folder_->PathOf(file),
                                                                     UnfinishedName(file)));
  ONNXQUANT_RETURN_IF_ERROR(staged.Reserve(bytes));
  return staged;
}

absl::StatusOr<std::string> Staging::HashOf(const Folder& folder, const std::string& name,
                                            std::uint64_t bytes,
                                            const std::atomic<bool>* cancelled) {
  const Descriptor file(Retry([&] {
    return openat(folder.descriptor(), name.c_str(),
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  }));
  if (!file.valid()) return folder.Error(name, "opening it", errno);
  Sha256 hash;
  std::vector<std::byte> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kChunk)));
  for (std::uint64_t at = 0; at < bytes;) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(cancelled));
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), bytes - at));
    const ssize_t got =
        Retry([&] { return pread(file.number(), chunk.data(), wanted, static_cast<off_t>(at)); });
    if (got < 0) return folder.Error(name, "reading it", errno);
    if (got == 0) return std::string("shorter");  // which no hash is
    hash.Add({chunk.data(), static_cast<std::size_t>(got)});
    at += static_cast<std::uint64_t>(got);
  }
  return hash.Hex();
}

absl::Status Staging::WriteText(const std::string& name, const std::string& text) const {
  ONNXQUANT_ASSIGN_OR_RETURN(
      StagedFile file, StagedFile::CreateAs(folder_, folder_->PathOf(name), UnfinishedName(name)));
  ONNXQUANT_RETURN_IF_ERROR(file.WriteAt(0, AsBytes(text)));
  ONNXQUANT_RETURN_IF_ERROR(file.Sync());
  ONNXQUANT_RETURN_IF_ERROR(file.Replace(name));
  return folder_->Sync();
}

absl::Status Staging::WriteRecord(const Record& record) const {
  const std::string text = ToText(record);
  const std::string name = RecordName(record.file);
  if (text.size() > static_cast<std::size_t>(limits::kRecordBytes)) {
    return WriteError(folder_->PathOf(name), ": would have ", text.size(),
                      " bytes, expected at most ", limits::kRecordBytes,
                      ": plan smaller data files (--max-shard)");
  }
  return WriteText(name, text);
}

absl::Status Staging::Finish(StagedFile& staged, Record record, std::string& sha256,
                             const std::atomic<bool>* cancelled) const {
  ONNXQUANT_RETURN_IF_ERROR(staged.Sync());
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, folder_->Look(staged.name()));
  if (!there.exists) {
    return WriteError(folder_->PathOf(record.file),
                      ": another run of this part has begun since, or all was finished; what this "
                      "one wrote was removed");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(sha256, HashOf(*folder_, staged.name(), record.bytes, cancelled));
  record.sha256 = sha256;
  ONNXQUANT_RETURN_IF_ERROR(staged.Replace(record.file));
  ONNXQUANT_RETURN_IF_ERROR(folder_->Sync());
  return WriteRecord(record);
}

absl::Status Staging::MarkFinished(const std::string& manifest) const {
  return WriteText(kFinished, manifest);
}

bool Staging::IsFinished(const std::string& manifest) const {
  const TextRule rule = {.kind = ErrorKind::kUsage, .what = "a mark", .largest = 1 << 10};
  const absl::StatusOr<std::string> text = ReadText(folder_->PathOf(kFinished), rule);
  return text.ok() && *text == manifest;
}

void Staging::Clear(const std::vector<std::string>& files) const {
  for (const std::string& file : files) {
    RemoveUnfinished(file);
    folder_->Remove(RecordName(file));
    folder_->Remove(file);
  }
  RemoveUnfinished(kFinished);
  // Last, and not before all else is gone: of what is left it says that nothing is missing.
  const absl::StatusOr<std::vector<std::string>> left = folder_->Names();
  const auto other = [](const std::string& name) {
    return name != "." && name != ".." && name != kFinished;
  };
  if (!left.ok() || std::any_of(left->begin(), left->end(), other)) return;
  folder_->Remove(kFinished);
  rmdir(folder_->path().c_str());
}

}  // namespace onnxquant
