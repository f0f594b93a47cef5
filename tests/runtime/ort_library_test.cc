#include "lib/runtime/ort_library.h"

#include <stdlib.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/runtime/ort_api.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Sets a variable for one test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    const char* old = getenv(name);
    if (old != nullptr) old_ = old;
    set_ = old != nullptr;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { set_ ? setenv(name_, old_.c_str(), 1) : unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool set_ = false;
};

TEST(OrtLibraryTest, TakesTheGivenPathThenTheVariableThenThePackages) {
  const TempFolder folder;
  const std::string capi = "lib/python3.11/site-packages/onnxruntime/capi/";
  folder.Write("venv/" + capi + "libonnxruntime.so.1.30.0", "");
  folder.Write("venv/" + capi + "libonnxruntime_providers_shared.so", "");
  folder.Write("venv-webgpu/" + capi + "libonnxruntime.so.1.27.0", "");
  const Variable cache("ONNXQUANT_CACHE", folder.path());
  const Variable unset("ONNXQUANT_ONNXRUNTIME", "");
  EXPECT_THAT(OnnxRuntimeCandidates("", "cpu"),
              ElementsAre(folder / ("venv/" + capi + "libonnxruntime.so.1.30.0"),
                          "libonnxruntime.so.1", "libonnxruntime.so"));
  EXPECT_THAT(OnnxRuntimeCandidates("", "webgpu"),
              ElementsAre(folder / ("venv-webgpu/" + capi + "libonnxruntime.so.1.27.0"),
                          "libonnxruntime.so.1", "libonnxruntime.so"));
  const Variable set("ONNXQUANT_ONNXRUNTIME", "/mine.so");
  EXPECT_THAT(OnnxRuntimeCandidates("", "cpu"), ElementsAre("/mine.so"));
  EXPECT_THAT(OnnxRuntimeCandidates("/given.so", "cpu"), ElementsAre("/given.so"));
}

TEST(OrtLibraryTest, SaysWhatWasTriedAndWhatToDo) {
  const TempFolder folder;
  folder.Write("text.so", "no library");
  const auto library = ort::Library::Load({folder / "none.so", folder / "text.so", "libm.so.6"});
  EXPECT_EQ(KindOf(library.status()), ErrorKind::kUsage);
  const std::string message(library.status().message());
  EXPECT_THAT(message, HasSubstr("none.so: cannot open shared object file"));
  EXPECT_THAT(message, HasSubstr("text.so: file too short"));
  EXPECT_THAT(message, HasSubstr("libm.so.6: has no OrtGetApiBase; it is not ONNX Runtime"));
  EXPECT_THAT(message, HasSubstr("set ONNXQUANT_ONNXRUNTIME"));
}

}  // namespace
}  // namespace onnxquant
