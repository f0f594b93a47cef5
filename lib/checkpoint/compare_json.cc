#include <nlohmann/json.hpp>

#include "lib/checkpoint/compare.h"

namespace onnxquant {

using Json = nlohmann::ordered_json;

std::string ToJson(const CheckpointComparison& comparison) {
  Json json = {{"path", comparison.path}, {"files", comparison.files}, {"lost", comparison.Lost()}};
  json["counts"] = Json::object();
  for (const TensorFate fate :
       {TensorFate::kEqual, TensorFate::kRounded, TensorFate::kDiffers, TensorFate::kReplaced,
        TensorFate::kMissing, TensorFate::kNotTrained, TensorFate::kNotCompared}) {
    json["counts"][NameOf(fate)] = comparison.Count(fate);
  }
  json["tensors"] = Json::array();
  for (const ComparedTensor& tensor : comparison.tensors) {
    const ValueDifference& difference = tensor.difference;
    const bool measured = difference.elements > 0;
    json["tensors"].push_back(
        {{"name", tensor.name},
         {"type", tensor.type},
         {"shape", tensor.shape},
         {"fate", NameOf(tensor.fate)},
         {"graph", tensor.graph},
         {"how", tensor.how},
         {"instead", tensor.instead},
         {"differing", measured ? Json(difference.elements - difference.exact - difference.rounded)
                                : Json(nullptr)},
         {"max_abs", measured ? Json(difference.max_abs) : Json(nullptr)},
         {"relative", measured ? Json(difference.Relative()) : Json(nullptr)}});
  }
  json["only_in_graph"] = comparison.only_in_graph;
  json["coded"] = comparison.coded;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
