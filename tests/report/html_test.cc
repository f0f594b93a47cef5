#include "lib/report/html.h"

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnxquant/report.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHostile[] =
    "</script><!--<script>alert(1)</script>{{x}}/*js*/<!--data--> \" ' & \xff";

std::string PlanWithName(const std::string& name) {
  Report report;
  report.input = name;
  OutputReport output;
  output.dtype = "fp16";
  TensorRow tensor;
  tensor.name = name;
  output.tensors = {tensor};
  report.outputs = {output};
  return ToJson(report);
}

// What stands between the tags of the element with this id.
std::string DataOf(const std::string& page, const std::string& id) {
  const std::string start = "id=\"" + id + "\">";
  const std::size_t from = page.find(start);
  if (from == std::string::npos) return "";
  const std::size_t begin = from + start.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

std::size_t Count(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Html, HoldsTheDataAsItIs) {
  const std::string plan = PlanWithName("w");
  const std::string page = ToHtml({plan, R"({"values": {}})", R"({"results": []})"});
  EXPECT_EQ(nlohmann::json::parse(DataOf(page, "plan-data")), nlohmann::json::parse(plan));
  EXPECT_EQ(DataOf(page, "ranges-data"), R"({"values":{}})");
  EXPECT_EQ(DataOf(page, "verify-data"), R"({"results":[]})");
  EXPECT_EQ(DataOf(page, "check-data"), "");
  EXPECT_EQ(DataOf(ToHtml({"", "", "", R"({"findings": []})"}), "check-data"),
            R"({"findings":[]})");
  EXPECT_EQ(DataOf(ToHtml({"", "", "", "", R"({"front": []})"}), "tune-data"), R"({"front":[]})");
  EXPECT_EQ(page.rfind("<!doctype html>", 0), 0U);
}

TEST(Html, LetsNoNameOutOfItsElement) {
  const std::string plan = PlanWithName(kHostile);
  const std::string page = ToHtml({plan, "", ""});
  const std::string harmless = ToHtml({PlanWithName("w"), "", ""});
  for (const char* word : {"<script", "</script", "<!--"}) {
    EXPECT_EQ(Count(page, word), Count(harmless, word)) << word;
  }
  EXPECT_EQ(nlohmann::json::parse(DataOf(page, "plan-data")), nlohmann::json::parse(plan));
}

TEST(Html, LeavesOutWhatIsNotThereOrNoJson) {
  const std::string page = ToHtml({"", "{\"values\": ", ""});
  EXPECT_EQ(DataOf(page, "plan-data"), "");
  EXPECT_EQ(DataOf(page, "ranges-data"), "");
}

TEST(Html, NamesNoOtherPlace) {
  const std::string page = ToHtml({PlanWithName("w"), "", ""});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(page, Not(HasSubstr("@import")));
  // The one address is the name of SVG's namespace.
  EXPECT_EQ(Count(page, "http://"), 1U);
}

TEST(Html, IsKnownByTheEndingOfItsName) {
  for (const char* name : {"r.html", "a/b.HTM", ".html"}) EXPECT_TRUE(IsHtmlName(name)) << name;
  for (const char* name : {"r.json", "html", "r.html.json", ""})
    EXPECT_FALSE(IsHtmlName(name)) << name;
}

}  // namespace
}  // namespace onnxquant
