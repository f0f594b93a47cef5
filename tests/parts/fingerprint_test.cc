#include "lib/parts/fingerprint.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/convert/external_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string OfModel(const TempFolder& folder) {
  const auto model = Model::Load(folder / "model.onnx");
  EXPECT_TRUE(model.ok()) << model.status();
  return *WeightsFingerprint(*model);
}

TEST(WeightsFingerprint, IsThatOfTheWeightsWhateverTheirFileIsCalled) {
  const TempFolder one;
  WriteExternalModel(one, "data");
  const TempFolder other;
  WriteExternalModel(other, "elsewhere");
  EXPECT_EQ(OfModel(one), OfModel(other));
}

TEST(WeightsFingerprint, ChangesWithBytesAtTheEndsAndInTheMiddleOfEachWeight) {
  const TempFolder folder;
  WriteExternalModel(folder, "data");
  const std::string before = OfModel(folder);
  const std::string content = folder.Read("data");
  const std::size_t half = content.size() / 2;
  for (const std::size_t at : {std::size_t{0}, half / 2, half - 1, half, content.size() - 1}) {
    std::string changed = content;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    folder.Write("data", changed);
    EXPECT_THAT(OfModel(folder), Not(before)) << at;
  }
}

TEST(FileFingerprint, IsOfSizeAndBytes) {
  const TempFolder folder;
  folder.Write("a", "text");
  folder.Write("b", "text");
  folder.Write("c", "texts");
  EXPECT_EQ(*FileFingerprint(folder / "a"), *FileFingerprint(folder / "b"));
  EXPECT_NE(*FileFingerprint(folder / "a"), *FileFingerprint(folder / "c"));
  EXPECT_EQ(*FileFingerprint(""), "");
}

TEST(FileFingerprint, OfWhatIsNotThereIsAnErrorOfUsage) {
  const auto missing = FileFingerprint("/missing/file");
  EXPECT_EQ(KindOf(missing.status()), ErrorKind::kUsage);
  EXPECT_THAT(missing.status().message(), HasSubstr("/missing/file"));
}

}  // namespace
}  // namespace onnxquant
