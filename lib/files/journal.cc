#include "lib/files/journal.h"

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "lib/files/own_names.h"

namespace onnxquant {
namespace {

using Action = JournalEntry::Action;

constexpr char kJournalTitle[] = "onnxquant journal 1";
constexpr char kPointerTitle[] = "onnxquant pointer 1";
constexpr std::array<const char*, 3> kActions = {"place", "replace", "remove"};

std::string Sealed(std::string text) {
  const std::uint64_t sum = Checksum(text);
  absl::StrAppend(&text, "sum ", absl::Hex(sum, absl::kZeroPad16), "\n");
  return text;
}

// The lines between title and sum.
absl::StatusOr<std::vector<std::string>> Unseal(absl::string_view text, const char* title) {
  const std::size_t sum = text.rfind("sum ");
  const bool lines_before = sum != absl::string_view::npos && sum > 0 && text[sum - 1] == '\n';
  if (!lines_before || Sealed(std::string(text.substr(0, sum))) != text) {
    return WriteError("is damaged: its checksum does not fit");
  }
  std::vector<std::string> lines = absl::StrSplit(text.substr(0, sum), '\n');
  if (lines.front() != title) {
    return WriteError("begins with '", absl::CEscape(lines.front()), "', expected '", title, "'");
  }
  lines.erase(lines.begin());
  lines.pop_back();  // behind the last line's end
  return lines;
}

std::string Text(const FileIdentity& identity) {
  return absl::StrCat(identity.inode, " ", identity.size, " ", identity.modified);
}

std::string OrDash(const std::string& name) {
  return name.empty() ? "-" : name;
}

std::string Line(const FolderPlace& place) {
  return absl::StrCat("folder ", absl::CEscape(place.absolute), "\nrelative ",
                      absl::CEscape(place.relative), "\n");
}

std::optional<FolderPlace> PlaceOf(absl::string_view absolute, absl::string_view relative) {
  FolderPlace place;
  if (!absl::ConsumePrefix(&absolute, "folder ") || !absl::ConsumePrefix(&relative, "relative ")) {
    return std::nullopt;
  }
  if (!absl::CUnescape(absolute, &place.absolute) || !absl::CUnescape(relative, &place.relative)) {
    return std::nullopt;
  }
  if (absl::StrContains(place.absolute, '\0') || absl::StrContains(place.relative, '\0')) {
    return std::nullopt;
  }
  return place;
}

// No folder, and nothing of our own: a journal must not be put in place by another.
bool IsPlain(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && !absl::StrContains(name, '/') &&
         !absl::StrContains(name, '\0') && !ParseOwnName(name).has_value();
}

bool IsTemporary(const std::string& name) {
  const auto own = ParseOwnName(name);
  return own.has_value() && own->kind == OwnKind::kTemporary;
}

bool ReadIdentity(const std::vector<std::string>& words, std::size_t first,
                  FileIdentity& identity) {
  return absl::SimpleAtoi(words[first], &identity.inode) &&
         absl::SimpleAtoi(words[first + 1], &identity.size) &&
         absl::SimpleAtoi(words[first + 2], &identity.modified);
}

std::optional<JournalEntry> EntryOf(const std::string& line, std::size_t folders) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (words.size() != 11) return std::nullopt;
  JournalEntry entry;
  std::size_t action = 0;
  while (action < kActions.size() && words[0] != kActions[action]) ++action;
  if (action == kActions.size()) return std::nullopt;
  entry.action = static_cast<Action>(action);
  if (!absl::SimpleAtoi(words[1], &entry.folder) || entry.folder > folders) return std::nullopt;
  if (words[2] != "-") entry.staged = words[2];
  if (words[3] != "-") entry.aside = words[3];
  if (!ReadIdentity(words, 4, entry.made) || !ReadIdentity(words, 7, entry.old)) {
    return std::nullopt;
  }
  if (!absl::CUnescape(words[10], &entry.name) || !IsPlain(entry.name)) {
    return std::nullopt;
  }
  const bool makes = entry.action != Action::kRemove;
  const bool moves = entry.action != Action::kPlace;
  const bool fits = makes == IsTemporary(entry.staged) && moves == IsTemporary(entry.aside) &&
                    makes == (entry.made.inode != 0) && moves == (entry.old.inode != 0);
  if (!fits || (!makes && !entry.staged.empty()) || (!moves && !entry.aside.empty())) {
    return std::nullopt;
  }
  return entry;
}

// A space would end the word; CEscape leaves it.
std::string Word(const std::string& name) {
  return absl::StrJoin(absl::StrSplit(absl::CEscape(name), ' '), "\\040");
}

}  // namespace

std::string WriteJournal(const Journal& journal) {
  std::string text = absl::StrCat(kJournalTitle, "\n");
  for (const FolderPlace& place : journal.folders) absl::StrAppend(&text, Line(place));
  for (const JournalEntry& entry : journal.entries) {
    absl::StrAppend(&text, kActions[static_cast<std::size_t>(entry.action)], " ", entry.folder, " ",
                    OrDash(entry.staged), " ", OrDash(entry.aside), " ");
    absl::StrAppend(&text, Text(entry.made), " ", Text(entry.old), " ", Word(entry.name), "\n");
  }
  return Sealed(std::move(text));
}

std::string WritePointer(const FolderPlace& place) {
  return Sealed(absl::StrCat(kPointerTitle, "\n", Line(place)));
}

absl::StatusOr<Journal> ReadJournal(absl::string_view text, const std::string& id) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> lines, Unseal(text, kJournalTitle));
  Journal journal;
  journal.id = id;
  std::size_t line = 0;
  for (; line + 1 < lines.size() && absl::StartsWith(lines[line], "folder "); line += 2) {
    const std::optional<FolderPlace> place = PlaceOf(lines[line], lines[line + 1]);
    if (!place.has_value()) return WriteError("is damaged: line ", line + 2, " names no folder");
    journal.folders.push_back(*place);
  }
  std::set<std::pair<std::size_t, std::string>> names;
  for (; line < lines.size(); ++line) {
    const std::optional<JournalEntry> entry = EntryOf(lines[line], journal.folders.size());
    if (!entry.has_value())
      return WriteError("is damaged: line ", line + 2, " is no entry of a set");
    for (const std::string& name : {entry->name, entry->staged, entry->aside}) {
      if (!name.empty() && !names.emplace(entry->folder, name).second) {
        return WriteError("is damaged: line ", line + 2, " names ", name, " a second time");
      }
    }
    journal.entries.push_back(*entry);
  }
  return journal;
}

absl::StatusOr<FolderPlace> ReadPointer(absl::string_view text) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> lines, Unseal(text, kPointerTitle));
  const std::optional<FolderPlace> place =
      lines.size() == 2 ? PlaceOf(lines[0], lines[1]) : std::nullopt;
  if (!place.has_value()) return WriteError("names no folder");
  return *place;
}

}  // namespace onnxquant
