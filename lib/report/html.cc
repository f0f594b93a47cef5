#include "lib/report/html.h"

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/report/html_parts.h"
#include "lib/text/json_text.h"

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

// In JSON, '<' can stand within strings only, where its escape means the same; without it there is
// no
// "</script" and no "<!--" that would end or change the element.
std::string Block(const char* id, const std::string& text) {
  // Not too deep: what is written again below is written by recursion.
  const JsonRule rule = {.unique_keys = false, .values = std::numeric_limits<std::int64_t>::max()};
  if (text.empty() || !ParseJson(text, id, rule).ok()) return "";
  const Json json = Json::parse(text, nullptr, false);
  const std::string compact = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return absl::StrCat("<script type=\"application/json\" id=\"", id, "\">",
                      absl::StrReplaceAll(compact, {{"<", "\\u003c"}}), "</script>\n");
}

}  // namespace

std::string ToHtml(const HtmlData& data) {
  const std::string blocks =
      absl::StrCat(Block("plan-data", data.plan), Block("ranges-data", data.ranges),
                   Block("verify-data", data.verification), Block("check-data", data.check),
                   Block("tune-data", data.tuning));
  // Cut at its marks in turn, so that nothing in what is put in is taken for one.
  const std::vector<std::pair<std::string, std::string>> parts = {
      {"/*css*/", kReportCSS}, {"<!--data-->", blocks}, {"/*js*/", kReportJS}};
  std::string rest = kReportHTML;
  std::string page;
  for (const auto& [mark, text] : parts) {
    const std::size_t place = rest.find(mark);
    absl::StrAppend(&page, rest.substr(0, place), text);
    rest.erase(0, place + mark.size());
  }
  return page + rest;
}

bool IsHtmlName(const std::string& path) {
  const std::string lower = absl::AsciiStrToLower(path);
  return absl::EndsWith(lower, ".html") || absl::EndsWith(lower, ".htm");
}

}  // namespace onnxquant
