#include "lib/files/own_names.h"

#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(OwnNames, AreReadBackAsTheyWereMade) {
  for (const OwnKind kind : {OwnKind::kTemporary, OwnKind::kJournal, OwnKind::kPointer}) {
    const std::string id = MakeId();
    const auto own = ParseOwnName(NameOfOwn(kind, id));
    ASSERT_TRUE(own.has_value());
    EXPECT_EQ(own->kind, kind);
    EXPECT_EQ(own->id, id);
    EXPECT_EQ(own->process, getpid());
  }
}

TEST(OwnNames, AreUnlikeEachOther) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(MakeId());
  EXPECT_EQ(ids.size(), 1000U);
}

TEST(OwnNames, AreNoOthers) {
  for (const char* name :
       {"", "model.onnx", ".onnxquant-", ".onnxquant-.tmp", ".onnxquant-0123abcd-12.tmp",
        ".onnxquant-0123abcd-12-0123456789abcde.tmp", ".onnxquant-0123abcd-0-0123456789abcdef.tmp",
        ".onnxquant-0123abcd--1-0123456789abcdef.tmp", ".onnxquant-0123ABCD-1-0123456789abcdef.tmp",
        ".onnxquant-0123abcd-01-0123456789abcdef.tmp", ".onnxquant-0123abcd-1-0123456789abcdef",
        "onnxquant-0123abcd-1-0123456789abcdef.tmp",
        ".onnxquant-0123abcd-1-0123456789abcdef.tmp.old",
        ".onnxquant-0123abcd-1-../../../../etc1.tmp"}) {
    EXPECT_FALSE(ParseOwnName(name).has_value()) << name;
  }
}

TEST(OwnNames, TellWhetherTheirProcessHasEnded) {
  const auto own = ParseOwnName(NameOfOwn(OwnKind::kTemporary, MakeId()));
  EXPECT_FALSE(OwnerIsDead(*own));
  OwnName ended = *own;
  ended.process = fork();
  if (ended.process == 0) _exit(0);
  waitpid(ended.process, nullptr, 0);
  EXPECT_TRUE(OwnerIsDead(ended));
  ended.host = "0123abcd";  // who knows what runs there
  EXPECT_FALSE(OwnerIsDead(ended));
}

}  // namespace
}  // namespace onnxquant
