#include "lib/formats/formats.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/formats/parameters.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

using Json = nlohmann::ordered_json;

class FormatsCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override { AddJson(app, json_); }
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  bool json_ = false;
};

bool Has(const Format& form, Parameter parameter) {
  return std::find(form.parameters.begin(), form.parameters.end(), parameter) !=
         form.parameters.end();
}

// What holds where nothing is said; "" where that is none of the values.
absl::string_view DefaultOf(const ParameterRow& row, absl::string_view word) {
  const WeightFormat format = *FormatOfWord(word);
  for (const absl::string_view one : row.words) {
    WeightFormat same = format;
    row.set(same, one);
    if (same == format) return one;
  }
  return "";
}

// "block: 32, symmetric: true": each parameter with its default, if it has one.
std::string Parameters(const Format& form, absl::string_view word) {
  std::vector<std::string> texts;
  for (const ParameterRow& row : ParameterRows()) {
    if (!Has(form, row.parameter)) continue;
    const absl::string_view by_default = DefaultOf(row, word);
    texts.push_back(absl::StrCat(row.key, by_default.empty() ? "" : ": ", by_default));
  }
  return absl::StrJoin(texts, ", ");
}

Json ToJson(const Format& form, const FormatWord& word) {
  Json parameters = Json::object();
  for (const ParameterRow& row : ParameterRows()) {
    if (!Has(form, row.parameter)) continue;
    const auto spelt = [&row](absl::string_view one) {
      if (one.empty()) return Json(nullptr);
      return row.flag ? Json(one == "true") : Json(std::string(one));
    };
    Json values = Json::array();
    for (const absl::string_view one : row.words) values.push_back(spelt(one));
    parameters[std::string(row.key)] = {{"values", std::move(values)},
                                        {"default", spelt(DefaultOf(row, word.word))},
                                        {"about", std::string(row.about)}};
  }
  Json operators = Json::array();
  for (const absl::string_view op : form.operators) operators.push_back(std::string(op));
  return {{"word", std::string(word.word)},
          {"form", std::string(form.name)},
          {"bits", word.bits},
          {"operators", std::move(operators)},
          {"by_rule", form.by_rule},
          {"parameters", std::move(parameters)},
          {"runs", std::string(form.runs)},
          {"about", std::string(form.about)}};
}

absl::Status FormatsCommand::Run(const Surroundings& /*surroundings*/) const {
  Json rows = Json::array();
  Table table({{"word"}, {"form"}, {"read by"}, {"parameters"}, {"runs on"}, {"what it is"}});
  for (const std::string& word : CodeWords()) {
    for (const Format* form : Formats()) {
      for (const FormatWord& own : form->words) {
        if (own.word != word) continue;
        rows.push_back(ToJson(*form, own));
        table.AddRow(
            {word, std::string(form->name),
             absl::StrCat(absl::StrJoin(form->operators, ", "), form->by_rule ? " (by rule)" : ""),
             Parameters(*form, word), std::string(form->runs), std::string(form->about)});
      }
    }
  }
  PrintText(json_ ? Json{{"formats", std::move(rows)}}.dump(2) + "\n" : table.ToString());
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewFormats() {
  return std::make_unique<FormatsCommand>();
}

}  // namespace onnxquant::cli
