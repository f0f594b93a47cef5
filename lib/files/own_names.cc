#include "lib/files/own_names.h"

#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kPrefix = ".onnxquant-";
constexpr char kUnknownHost[] = "00000000";

struct Ending {
  OwnKind kind = OwnKind::kTemporary;
  absl::string_view text;
};
constexpr std::array kEndings = {Ending{OwnKind::kTemporary, ".tmp"},
                                 Ending{OwnKind::kJournal, ".journal"},
                                 Ending{OwnKind::kPointer, ".pointer"}};

std::string Hex(std::uint64_t number, absl::PadSpec width) {
  return absl::StrCat(absl::Hex(number, width));
}

// This start of this machine, and the container in it: what a process number is unique in.
std::string Host() {
  std::ifstream stream("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::error_code error;
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  if (!(stream >> boot) || space.empty()) return kUnknownHost;
  return Hex(Checksum(absl::StrCat(boot, space)) & 0xffffffffU, absl::kZeroPad8);
}

std::uint64_t Random() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) == sizeof number) return number;
  static std::atomic<std::uint64_t> next{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return Checksum(absl::StrCat(now, "-", getpid(), "-", next++));
}

bool IsHex(absl::string_view text, std::size_t length) {
  return text.size() == length && std::all_of(text.begin(), text.end(), [](char letter) {
           return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
         });
}

}  // namespace

std::string MakeId() {
  return absl::StrCat(Host(), "-", getpid(), "-", Hex(Random(), absl::kZeroPad16));
}

std::string NameOfOwn(OwnKind kind, const std::string& id) {
  return absl::StrCat(kPrefix, id, kEndings[static_cast<std::size_t>(kind)].text);
}

std::optional<OwnName> ParseOwnName(absl::string_view name) {
  OwnName own;
  if (!absl::ConsumePrefix(&name, kPrefix)) return std::nullopt;
  const auto* ending = std::find_if(kEndings.begin(), kEndings.end(), [&](const Ending& one) {
    return absl::ConsumeSuffix(&name, one.text);
  });
  if (ending == kEndings.end()) return std::nullopt;
  own.kind = ending->kind;
  own.id = std::string(name);
  const std::vector<std::string> parts = absl::StrSplit(name, '-');
  if (parts.size() != 3 || !IsHex(parts[0], 8) || !IsHex(parts[2], 16)) return std::nullopt;
  own.host = parts[0];
  if (!absl::SimpleAtoi(parts[1], &own.process) || own.process <= 0 ||
      absl::StrCat(own.process) != parts[1]) {
    return std::nullopt;
  }
  return own;
}

bool OwnerIsDead(const OwnName& name) {
  if (name.host == kUnknownHost || name.host != Host()) return false;
  return kill(name.process, 0) != 0 && errno == ESRCH;
}

bool OwnerIsAlive(const OwnName& name) {
  if (name.host == kUnknownHost || name.host != Host()) return false;
  return kill(name.process, 0) == 0 || errno == EPERM;
}

std::uint64_t Checksum(absl::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char letter : text) {
    sum ^= static_cast<unsigned char>(letter);
    sum *= 0x100000001b3U;
  }
  return sum;
}

}  // namespace onnxquant
