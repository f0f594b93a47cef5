#include "lib/statistics/calibration_file.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Statistics TwoValues() {
  Statistics statistics;
  statistics.metadata = {{"fingerprint", "0123456789abcdef"}, {"tokens", "7"}, {"seed", "0"}};
  statistics.moments = {{"z/'ä'", 2, 7, {4, -1, -1, 2}}, {"a", 3, 5, {1, 0, 0, 0, 0, 0, 0, 0, 9}}};
  return statistics;
}

std::string Bytes(const Statistics& statistics) {
  std::string file;
  EXPECT_TRUE(
      WriteCalibration(statistics, [&](std::uint64_t offset, absl::Span<const std::byte> bytes) {
        EXPECT_EQ(offset, file.size());
        file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return absl::OkStatus();
      }).ok());
  return file;
}

// A file of this header and data.
std::string File(const Json& header, const std::string& data) {
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + text + data;
}

template <typename T>
std::string Of(std::initializer_list<T> values) {
  return std::string(reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(T));
}

class CalibrationFileTest : public ::testing::Test {
 protected:
  std::string Refusal(const std::string& bytes) {
    folder_.Write("c", bytes);
    const auto file = CalibrationFile::Open(folder_ / "c");
    if (file.ok()) return "it was read";
    EXPECT_EQ(KindOf(file.status()), ErrorKind::kUsage);
    EXPECT_THAT(std::string(file.status().message()), ::testing::StartsWith(folder_ / "c"));
    return std::string(file.status().message());
  }
  // Why the only matrix is refused.
  std::string MatrixRefusal(std::initializer_list<float> sums) {
    folder_.Write("c", File(header_, Of<std::int64_t>({3}) + Of<float>(sums)));
    const auto file = CalibrationFile::Open(folder_ / "c");
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) return "";
    return std::string(file->Sums(file->entries()[0]).status().message());
  }
  TempFolder folder_;
  // One value of two elements.
  Json header_ = {
      {"__metadata__",
       {{"format", "onnxquant.calibration"}, {"version", "1"}, {"fingerprint", "f"}}},
      {"count/v", {{"dtype", "I64"}, {"shape", Json::array()}, {"data_offsets", {0, 8}}}},
      {"moments/v", {{"dtype", "F32"}, {"shape", {2, 2}}, {"data_offsets", {8, 24}}}}};
  std::string data_ = Of<std::int64_t>({3}) + Of<float>({1, 2, 2, 5});
};

TEST_F(CalibrationFileTest, IsReadAsItWasWritten) {
  const Statistics statistics = TwoValues();
  folder_.Write("c", Bytes(statistics));
  const auto file = CalibrationFile::Open(folder_ / "c");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->fingerprint(), "0123456789abcdef");
  EXPECT_EQ(file->metadata().at("tokens"), "7");
  ASSERT_EQ(file->entries().size(), 2U);
  for (const Moments& moments : statistics.moments) {
    const MomentsInfo* entry = file->Find(moments.value);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->size, moments.size);
    EXPECT_EQ(entry->count, moments.count);
    const auto sums = file->Sums(*entry);
    ASSERT_TRUE(sums.ok()) << sums.status();
    EXPECT_EQ(std::vector<float>(sums->begin(), sums->end()), moments.sums);
  }
  EXPECT_EQ(file->entries()[0].value, "z/'ä'");
  EXPECT_EQ(file->Find("b"), nullptr);
  EXPECT_FALSE(file->Sums({"b", 1, 1}).ok());
  EXPECT_TRUE(file->CheckUnchanged().ok());
}

Statistics WithGradients() {
  Statistics statistics = TwoValues();
  statistics.gradients = {{"y", false, 2, 3, 5, {4, -1, -1, 2}, {1, 0, 7}},
                          {"rows/é", true, 2, 2, 6, {3, 1, 1, 4}, {3, 4}}};
  return statistics;
}

TEST_F(CalibrationFileTest, KeepsGradientsOfProductsAndLookups) {
  const Statistics statistics = WithGradients();
  const std::string bytes = Bytes(statistics);
  EXPECT_EQ(bytes.size(), CalibrationBytes({{"z/'ä'", 2, 0}, {"a", 3, 0}},
                                           {{"y", false, 2, 3, 0}, {"rows/é", true, 2, 2, 0}}));
  folder_.Write("c", bytes);
  const auto file = CalibrationFile::Open(folder_ / "c");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("version"), "2");
  EXPECT_EQ(file->entries().size(), 2U);
  ASSERT_EQ(file->gradients().size(), 2U);
  for (const GradientMoments& expected : statistics.gradients) {
    const GradientInfo* info = file->FindGradient(expected.output);
    ASSERT_NE(info, nullptr);
    EXPECT_EQ(info->lookup, expected.lookup);
    EXPECT_EQ(info->inputs, expected.inputs);
    EXPECT_EQ(info->outputs, expected.outputs);
    EXPECT_EQ(info->count, expected.count);
    const auto sums = file->GradientSums(*info);
    ASSERT_TRUE(sums.ok()) << sums.status();
    EXPECT_EQ(std::vector<float>(sums->begin(), sums->end()), expected.sums);
    const auto squares = file->GradientSquares(*info);
    ASSERT_TRUE(squares.ok()) << squares.status();
    EXPECT_EQ(std::vector<float>(squares->begin(), squares->end()), expected.squares);
  }
  EXPECT_EQ(file->FindGradient("a"), nullptr);
  EXPECT_FALSE(file->GradientSums({"a", false, 3, 1, 1}).ok());
  EXPECT_FALSE(file->GradientSquares({"a", false, 3, 1, 1}).ok());
}

TEST_F(CalibrationFileTest, SaysTheFirstVersionWithoutGradients) {
  folder_.Write("c", Bytes(TwoValues()));
  EXPECT_EQ(CalibrationFile::Open(folder_ / "c")->metadata().at("version"), "1");
}

TEST_F(CalibrationFileTest, RefusesGradientsThatAreNoSumsOfSquares) {
  Statistics statistics = WithGradients();
  statistics.gradients[0].squares[1] = -1;
  statistics.gradients[1].sums[1] = 2;
  folder_.Write("c", Bytes(statistics));
  const auto file = CalibrationFile::Open(folder_ / "c");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(std::string(file->GradientSquares(*file->FindGradient("y")).status().message()),
              HasSubstr("tensor 'squares/y' has -1 at [1]; expected a sum of squares"));
  EXPECT_THAT(std::string(file->GradientSums(*file->FindGradient("rows/é")).status().message()),
              HasSubstr("tensor 'lookup_gradients/rows/é' has 1 at [1, 0]; expected what stands"));
}

TEST_F(CalibrationFileTest, RefusesGradientsThatAreNotWhole) {
  header_["__metadata__"]["version"] = "2";
  const auto add = [&](const char* name, const char* dtype, const Json& shape, std::size_t bytes) {
    header_[name] = {
        {"dtype", dtype}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + bytes}}};
    data_.append(bytes, '\1');
  };
  add("gradient_count/y", "I64", Json::array(), 8);
  EXPECT_THAT(Refusal(File(header_, data_)),
              HasSubstr("has a tensor 'gradient_count/y' but no 'gradients/y'"));
  add("gradients/y", "F32", {1, 1}, 4);
  EXPECT_THAT(Refusal(File(header_, data_)),
              HasSubstr("has a tensor 'gradients/y' but no 'squares/y'"));
  Json header = header_;
  header["squares/y"] = {
      {"dtype", "F32"}, {"shape", {1, 1}}, {"data_offsets", {data_.size(), data_.size() + 4}}};
  EXPECT_THAT(Refusal(File(header, data_ + "1234")), HasSubstr("expected F32 [N] of 4 N bytes"));
  add("squares/y", "F32", {1}, 4);
  folder_.Write("c", File(header_, data_));
  EXPECT_TRUE(CalibrationFile::Open(folder_ / "c").ok());
  add("lookup_gradients/y", "F32", {1, 1}, 4);
  EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("has gradients of 'y' twice"));
  header_["__metadata__"]["version"] = "1";
  EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("has a tensor 'gradient"));
}

TEST_F(CalibrationFileTest, HasASizeThatIsKnownBefore) {
  const std::string bytes = Bytes(TwoValues());
  EXPECT_EQ(bytes.size(), CalibrationBytes({{"z/'ä'", 2, 0}, {"a", 3, 0}}));
}

TEST_F(CalibrationFileTest, StartsItsDataWhereNumbersMayStand) {
  const std::string bytes = Bytes(TwoValues());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(Json::parse(bytes.substr(8, length)).at("count/a").at("data_offsets"),
            Json::array({8, 16}));
}

TEST_F(CalibrationFileTest, RefusesNamesThatAreNoText) {
  Statistics statistics = TwoValues();
  statistics.moments[0].value = "\xff";
  const auto write = [](std::uint64_t, absl::Span<const std::byte>) { return absl::OkStatus(); };
  EXPECT_EQ(KindOf(WriteCalibration(statistics, write)), ErrorKind::kInternal);
  statistics.moments[0].value = "v";
  statistics.metadata["seed"] = std::string(5000, '1');
  EXPECT_THAT(WriteCalibration(statistics, write).message(), HasSubstr("more than 2048 bytes"));
}

TEST_F(CalibrationFileTest, ReadsTheFilesOfOthers) {
  folder_.Write("c", File(header_, data_));
  const auto file = CalibrationFile::Open(folder_ / "c");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file->Sums(file->entries()[0]))[3], 5);
}

TEST_F(CalibrationFileTest, RefusesFilesOfOtherKinds) {
  EXPECT_THAT(Refusal(File(Json::object(), "")), HasSubstr("expected 'onnxquant.calibration'"));
  header_["__metadata__"]["version"] = "3";
  EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("its version is '3'"));
  header_["__metadata__"]["version"] = "1";
  header_["__metadata__"].erase("fingerprint");
  EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("which model was observed"));
}

TEST_F(CalibrationFileTest, RefusesTypesShapesAndNamesThatStatisticsDoNotHave) {
  const Json good = header_;
  header_["moments/v"]["dtype"] = "F16";
  EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("'moments/v' is F16 [2, 2] of 16 bytes"));
  for (const Json& shape : {Json{2, 3}, Json{4}, Json{1, 4}, Json{0, 0}, Json{3, 3}, Json{2, 2, 1},
                            Json{std::int64_t{1} << 33, std::int64_t{1} << 33}}) {
    header_ = good;
    header_["moments/v"]["shape"] = shape;
    EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("expected F32 [K, K]")) << shape;
  }
  header_ = good;
  header_["count/v"]["dtype"] = "U64";
  EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("expected I64 []"));
  header_ = good;
  header_["other"] = {{"dtype", "U8"}, {"shape", {0}}, {"data_offsets", {24, 24}}};
  EXPECT_THAT(Refusal(File(header_, data_)), HasSubstr("has a tensor 'other'"));
}

TEST_F(CalibrationFileTest, RefusesMomentsAndCountsWithoutEachOther) {
  Json header = header_;
  header.erase("count/v");
  header["moments/v"]["data_offsets"] = {0, 16};
  EXPECT_THAT(Refusal(File(header, Of<float>({1, 2, 2, 5}))), HasSubstr("but no 'count/v'"));
  header = header_;
  header.erase("moments/v");
  EXPECT_THAT(Refusal(File(header, Of<std::int64_t>({3}))), HasSubstr("but no 'moments/v'"));
  header.erase("count/v");
  EXPECT_THAT(Refusal(File(header, "")), HasSubstr("holds no value's statistics"));
}

TEST_F(CalibrationFileTest, RefusesCountsThatAreNone) {
  for (const std::int64_t count : {std::int64_t{0}, std::int64_t{-5}}) {
    EXPECT_THAT(Refusal(File(header_, Of<std::int64_t>({count}) + Of<float>({1, 2, 2, 5}))),
                HasSubstr("'count/v' is " + std::to_string(count)));
  }
}

TEST_F(CalibrationFileTest, RefusesDataWhereNoFloatMayStand) {
  std::string file = File(header_, data_);
  // Two more spaces in the header.
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  file.insert(8 + length, "  ");
  length += 2;
  std::memcpy(file.data(), &length, sizeof(length));
  EXPECT_THAT(Refusal(file), HasSubstr("expected a multiple of 4"));
}

TEST_F(CalibrationFileTest, RefusesMatricesThatAreNoMoments) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(MatrixRefusal({1, 2, 2, 5}), "");
  EXPECT_THAT(MatrixRefusal({1, 2, 2, kNan}), HasSubstr("'moments/v' has nan at [1, 1]"));
  EXPECT_THAT(MatrixRefusal({kInf, 2, 2, 5}), HasSubstr("has inf at [0, 0]"));
  EXPECT_THAT(MatrixRefusal({1, 2, kNan, 5}), HasSubstr("has nan at [1, 0]"));
  EXPECT_THAT(MatrixRefusal({1, 2, 3, 5}), HasSubstr("has 3 at [1, 0]; expected what stands"));
  EXPECT_THAT(MatrixRefusal({1, 2, 2, -5}), HasSubstr("has -5 at [1, 1]; expected a sum"));
}

TEST_F(CalibrationFileTest, RefusesWhatIsNoFile) {
  const auto file = CalibrationFile::Open(folder_ / "none");
  EXPECT_EQ(KindOf(file.status()), ErrorKind::kModel);
}

}  // namespace
}  // namespace onnxquant
