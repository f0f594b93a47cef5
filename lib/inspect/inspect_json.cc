#include <nlohmann/json.hpp>

#include "lib/inspect/inspect.h"

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

Json ToJsonValues(const std::vector<InspectedValue>& values) {
  Json rows = Json::array();
  for (const InspectedValue& value : values) {
    rows.push_back(
        {{"name", value.name}, {"type", value.type}, {"shape", value.shape}, {"role", value.role}});
  }
  return rows;
}

Json ToJsonCounts(const std::vector<InspectedCount>& counts) {
  Json rows = Json::object();
  for (const InspectedCount& count : counts) rows[count.name] = count.count;
  return rows;
}

Json ToJsonLattice(const std::optional<Lattice>& lattice) {
  if (!lattice) return nullptr;
  const auto held = GridThatHolds(*lattice, 8, 32);
  return {{"kind", NameOf(lattice->kind)},
          {"bits", lattice->bits},
          {"axis", lattice->axis},
          {"block", lattice->block == 0 ? Json(nullptr) : Json(lattice->block)},
          {"one_scale", lattice->one_scale},
          {"float16_scales", lattice->half_scales},
          {"rounded_to", NameOf(lattice->rounding)},
          {"blocks", lattice->blocks},
          {"exact_blocks", lattice->exact},
          {"like", LikelySource(*lattice)},
          {"held_by", held ? Json(ToString(*held)) : Json(nullptr)}};
}

}  // namespace

std::string ToJson(const Inspection& inspection) {
  Json json = {{"path", inspection.path},
               {"file_bytes", inspection.file_bytes},
               {"ir_version", inspection.ir_version},
               {"producer", inspection.producer},
               {"opsets", inspection.opsets},
               {"nodes", inspection.nodes},
               {"layers", inspection.layers},
               {"inputs", ToJsonValues(inspection.inputs)},
               {"outputs", ToJsonValues(inspection.outputs)},
               {"ops", ToJsonCounts(inspection.ops)},
               {"value_types", ToJsonCounts(inspection.value_types)},
               {"unknown_ops", inspection.unknown_ops}};
  json["roles"] = Json::array();
  for (const InspectedRole& role : inspection.roles) {
    json["roles"].push_back({{"role", role.role},
                             {"nodes", role.nodes},
                             {"example", role.example},
                             {"evidence", role.evidence}});
  }
  json["ambiguous_roles"] = Json::array();
  for (const InspectedAmbiguity& one : inspection.ambiguous_roles) {
    json["ambiguous_roles"].push_back({{"node", one.node}, {"why", one.why}});
  }
  json["hazards"] = Json::array();
  for (const InspectedHazard& hazard : inspection.hazards) {
    Json examples = Json::array();
    for (const InspectedHazard::Example& example : hazard.examples) {
      examples.push_back({{"node", example.node}, {"why", example.why}});
    }
    json["hazards"].push_back(
        {{"hazard", hazard.hazard}, {"nodes", hazard.nodes}, {"examples", std::move(examples)}});
  }
  json["weights"] = Json::array();
  for (const InspectedWeight& weight : inspection.weights) {
    json["weights"].push_back({{"name", weight.name},
                               {"type", weight.type},
                               {"shape", weight.shape},
                               {"bytes", weight.bytes},
                               {"role", weight.role},
                               {"layer", weight.layer < 0 ? Json(nullptr) : Json(weight.layer)},
                               {"lattice", ToJsonLattice(weight.lattice)}});
  }
  json["findings"] = Json::array();
  for (const InspectedFinding& finding : inspection.findings) {
    json["findings"].push_back({{"kind", finding.kind},
                                {"severity", finding.severity},
                                {"place", finding.place},
                                {"count", finding.count}});
  }
  json["external_files"] = Json::array();
  for (const InspectedFile& file : inspection.files) {
    json["external_files"].push_back(
        {{"location", file.location}, {"bytes", file.bytes}, {"tensors", file.tensors}});
  }
  json["checkpoint"] =
      inspection.checkpoint ? Json::parse(ToJson(*inspection.checkpoint)) : Json(nullptr);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
