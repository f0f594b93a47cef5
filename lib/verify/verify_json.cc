#include <cmath>
#include <nlohmann/json.hpp>

#include "lib/verify/verify.h"

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

Json Number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json PerplexityJson(const Perplexity& perplexity) {
  return {{"value", Number(perplexity.value)},
          {"low", Number(perplexity.low)},
          {"high", Number(perplexity.high)}};
}

Json CourseJson(const KlCourse& course) {
  Json largest = Json::array();
  for (const double kl : course.largest) largest.push_back(Number(kl));
  return {{"each", course.each}, {"largest", largest}};
}

Json LanguageJson(const Summary& summary) {
  return {{"positions", summary.positions},
          {"kl_mean", Number(summary.kl_mean)},
          {"kl_median", Number(summary.kl_median)},
          {"kl_p99", Number(summary.kl_p99)},
          {"kl_p99_9", Number(summary.kl_p999)},
          {"kl_max", Number(summary.kl_max)},
          {"top1", Number(summary.top1)},
          {"top5", Number(summary.top5)},
          {"perplexity", PerplexityJson(summary.perplexity)},
          {"perplexity_ratio", PerplexityJson(summary.ratio)},
          {"largest_logit_error", Number(summary.largest_error)},
          {"nan", summary.nan},
          {"inf", summary.inf},
          {"bad_positions", summary.bad},
          {"kl_by_position", CourseJson(summary.kl_by_position)}};
}

Json ValueJson(const ValueError& value) {
  Json json = {{"name", value.name},
               {"op", value.op},
               {"layer", value.layer < 0 ? Json(nullptr) : Json(value.layer)},
               {"elements", value.elements},
               {"sqnr_db", Number(value.sqnr)},
               {"cosine", Number(value.cosine)}};
  if (value.scale != 1) json["scale"] = value.scale;
  if (value.bad > 0) json["bad"] = value.bad;
  return json;
}

void AddInside(const CandidateResult& result, Json& json) {
  if (!result.values_error.empty()) json["values_error"] = result.values_error;
  if (result.values.empty()) return;
  for (const LayerError& layer : ByLayer(result.values)) {
    json["layers"].push_back({{"layer", layer.layer < 0 ? Json(nullptr) : Json(layer.layer)},
                              {"last", ValueJson(result.values[layer.last])},
                              {"worst", ValueJson(result.values[layer.worst])}});
  }
  for (const ValueError& value : result.values) json["values"].push_back(ValueJson(value));
}

Json ResultJson(const CandidateResult& result) {
  Json json = {{"model", result.model},
               {"provider", result.provider},
               {"passed", result.passed()},
               {"failures", result.failures}};
  if (!result.error.empty()) json["error"] = result.error;
  if (result.language.has_value()) json["language"] = LanguageJson(*result.language);
  if (result.greedy.has_value()) {
    json["greedy"] = {{"steps", result.greedy->steps},
                      {"same", result.greedy->same},
                      {"seconds_per_token", result.greedy->seconds_per_token > 0
                                                ? Json(result.greedy->seconds_per_token)
                                                : Json(nullptr)}};
  }
  for (const OutputComparison& output : result.outputs) {
    json["outputs"].push_back({{"name", output.name},
                               {"elements", output.elements},
                               {"max_error", Number(output.max_error)},
                               {"mean_error", Number(output.mean_error)},
                               {"cosine", Number(output.cosine)},
                               {"nan", output.nan},
                               {"inf", output.inf}});
  }
  if (!result.first_bad.empty()) json["first_bad"] = result.first_bad;
  AddInside(result, json);
  return json;
}

}  // namespace

std::string ToJson(const Verification& verification) {
  Json json = {{"reference", verification.reference},
               {"tokens", verification.tokens},
               {"runs", verification.runs},
               {"notes", verification.notes},
               {"passed", verification.passed()},
               {"reference_perplexity", PerplexityJson(verification.reference_perplexity)},
               {"results", Json::array()}};
  for (const CandidateResult& result : verification.results) {
    json["results"].push_back(ResultJson(result));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
