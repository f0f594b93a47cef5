#include "onnxquant/sessions.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class SessionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Make(const std::string& name) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << "x";
  }

  std::vector<std::pair<std::string, std::string>> Found() {
    std::vector<std::pair<std::string, std::string>> found;
    const auto sessions = FindSessions(folder_.string());
    EXPECT_TRUE(sessions.ok()) << sessions.status();
    for (const Session& session : *sessions) {
      found.emplace_back(session.name, fs::relative(session.path, folder_).string());
    }
    return found;
  }

  fs::path folder_;
};

TEST_F(SessionsTest, TheSourcesOfAFolderAreItsWidestFilesByName) {
  for (const char* name : {"b.onnx", "b_fp16.onnx", "a_q4.onnx", "a_fp16.onnx", "a_bf16.onnx",
                           "c_quantized.onnx", "d_fp32.onnx", "b.onnx_data", "notes.txt"}) {
    Make(name);
  }
  EXPECT_THAT(Found(),
              ElementsAre(Pair("a", "a_fp16.onnx"), Pair("b", "b.onnx"), Pair("d", "d_fp32.onnx")));
}

TEST_F(SessionsTest, ModelsOfTheSubfolderComeFirst) {
  Make("other.onnx");
  Make("onnx/model.onnx");
  EXPECT_THAT(Found(), ElementsAre(Pair("model", "onnx/model.onnx")));
}

TEST_F(SessionsTest, AFolderWithoutSourcesIsRefusedWithWhatItHas) {
  EXPECT_THAT(FindSessions(folder_.string()).status().message(), HasSubstr("no .onnx file"));
  Make("model_q4.onnx");
  EXPECT_THAT(FindSessions(folder_.string()).status().message(), HasSubstr("(model_q4.onnx)"));
  EXPECT_EQ(KindOf(FindSessions((folder_ / "none").string()).status()), ErrorKind::kUsage);
}

}  // namespace
}  // namespace onnxquant
