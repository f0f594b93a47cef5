#include "lib/parts/done_note.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/files/single_output.h"
#include "lib/parts/json_pages.h"
#include "lib/parts/staging.h"
#include "lib/text/json_text.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

using nlohmann::json;
using Ordered = nlohmann::ordered_json;

constexpr char kKey[] = "onnxquant_done";
constexpr int kVersion = 1;

std::string NoteOf(const Manifest& manifest) {
  return manifest.path + ".done";
}

// Nothing where there is no note, or one that is damaged or of another manifest: then the files are
// looked at as if there were none.
std::optional<DoneFiles> ReadNote(const Manifest& manifest) {
  const TextRule rule = {
      .kind = ErrorKind::kUsage, .what = "the note", .largest = limits::kManifestBytes};
  const absl::StatusOr<std::string> text = ReadText(NoteOf(manifest), rule);
  if (!text.ok()) return std::nullopt;
  const absl::StatusOr<json> page = ParseJson(*text, NoteOf(manifest), {});
  if (!page.ok() || !page->is_object() || page->value(kKey, json()) != kVersion ||
      page->value("manifest", json()) != manifest.id || !page->contains("files") ||
      !(*page)["files"].is_object()) {
    return std::nullopt;
  }
  DoneFiles files;
  for (const auto& [name, row] : (*page)["files"].items()) {
    if (!row.is_object() || !row.value("bytes", json()).is_number_unsigned() ||
        !row.value("sha256", json()).is_string()) {
      return std::nullopt;
    }
    files[name] = {row["bytes"].get<std::uint64_t>(), row["sha256"].get<std::string>()};
  }
  return files;
}

}  // namespace

absl::Status WriteDoneNote(const Manifest& manifest, const DoneFiles& files) {
  Ordered rows = Ordered::object();
  for (const auto& [name, file] : files) {
    rows[name] = {{"bytes", file.bytes}, {"sha256", file.sha256}};
  }
  const std::string text =
      ToPage({{kKey, kVersion}, {"manifest", manifest.id}, {"files", std::move(rows)}});
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles note,
      OpenOutput({.path = NoteOf(manifest), .force = true, .option = "--manifest"}, {},
                 text.size()));
  ONNXQUANT_RETURN_IF_ERROR(note.WriteAt(0, 0, AsBytes(text)));
  return note.Commit();
}

absl::StatusOr<std::optional<DoneFiles>> DoneAlready(const Manifest& manifest, const Folder& folder,
                                                     const std::atomic<bool>* cancelled) {
  std::optional<DoneFiles> files = ReadNote(manifest);
  if (!files) return std::nullopt;
  for (const auto& [name, file] : *files) {
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, folder.Look(name));
    if (!there.exists || there.identity.size != file.bytes) return std::nullopt;
  }
  for (const auto& [name, file] : *files) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string hash,
                               Staging::HashOf(folder, name, file.bytes, cancelled));
    if (hash != file.sha256) return std::nullopt;
  }
  return files;
}

}  // namespace onnxquant
