#include <nlohmann/json.hpp>

#include "lib/inspect/diff.h"

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

Json ToJsonRow(const WeightDifference& row) {
  Json json = {{"name", row.name}, {"first", row.first}, {"second", row.second}};
  if (row.measured) {
    json["differing"] = row.differing;
    json["max_abs"] = row.max_abs;
    json["sqnr_db"] = row.sqnr_db;
    json["cosine"] = row.cosine;
    json["scale"] = row.scale;
  }
  return json;
}

Json ToJsonBytes(const GraphBytes& first, const GraphBytes& second) {
  Json parts = Json::array();
  for (const GraphPartName& part : GraphPartNames()) {
    parts.push_back({{"part", part.name},
                     {"first", first.Of(part.part)},
                     {"second", second.Of(part.part)},
                     {"first_count", first.CountOf(part.part)},
                     {"second_count", second.CountOf(part.part)}});
  }
  return {{"first", first.total}, {"second", second.total}, {"parts", std::move(parts)}};
}

}  // namespace

std::string ToJson(const ModelDiff& diff) {
  Json json = {{"equal", diff.Empty()},
               {"summary", diff.summary},
               {"graph_bytes", ToJsonBytes(diff.first_bytes, diff.second_bytes)},
               {"opsets", diff.opsets},
               {"ir_version", diff.ir_version},
               {"ops", Json::array()},
               {"only_first_nodes", diff.only_first_nodes},
               {"only_second_nodes", diff.only_second_nodes},
               {"nodes", Json::array()},
               {"interface", diff.interface},
               {"shapes", Json::array()},
               {"functions", Json::array()},
               {"types", Json::array()},
               {"only_first_weights", diff.only_first_weights},
               {"only_second_weights", diff.only_second_weights},
               {"equal_weights", diff.equal_weights},
               {"weights", Json::array()}};
  for (const OpDifference& row : diff.ops) {
    json["ops"].push_back({{"op", row.op}, {"first", row.first}, {"second", row.second}});
  }
  for (const NodeDifference& row : diff.nodes) {
    json["nodes"].push_back({{"name", row.name}, {"differs_in", row.what}});
  }
  for (const ShapeDifference& row : diff.shapes) {
    json["shapes"].push_back(
        {{"value", row.value}, {"input", row.input}, {"first", row.first}, {"second", row.second}});
  }
  for (const FunctionDifference& row : diff.functions) {
    json["functions"].push_back({{"name", row.name}, {"differs_in", row.what}});
  }
  for (const TypeDifference& row : diff.types) {
    json["types"].push_back({{"value", row.value}, {"first", row.first}, {"second", row.second}});
  }
  for (const WeightDifference& row : diff.weights) json["weights"].push_back(ToJsonRow(row));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
