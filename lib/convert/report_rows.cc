#include "lib/convert/report_rows.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace onnxquant {
namespace {

std::vector<std::string> Texts(const Reasons& reasons) {
  std::vector<std::string> texts;
  for (const Reason& reason : reasons) texts.push_back(reason.ToString());
  return texts;
}

std::vector<TensorRow> TensorRows(const Analysis& analysis, const OutputPlan& plan) {
  std::vector<TensorRow> rows;
  for (const WeightPlan& weight : plan.weights) {
    for (const WeightCopy& copy : weight.copies) {
      const WeightUse& use = analysis.weight_uses[copy.uses.front()];
      const NodeRole& role = analysis.roles.nodes[use.reader.node];
      TensorRow row;
      row.name = analysis.graph.value(weight.weight).name;
      row.shape = *ConstantShape(analysis.graph, weight.weight);
      row.role = NameOf(role.role);
      row.layer = role.layer;
      row.format = copy.made ? "computed" : ToString(copy.format);
      const ElementType type = analysis.types[static_cast<std::size_t>(weight.weight)];
      row.input_bytes = PackedBytes(type, row.shape).value_or(0);
      row.bytes = copy.bytes;
      row.stored_as = copy.names;
      row.why = Texts(weight.why);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<NodeRow> NodeRows(const Analysis& analysis, const OutputPlan& plan) {
  std::vector<NodeRow> rows;
  for (const NodeId id : analysis.graph.order()) {
    const NodePlan& node = plan.nodes[static_cast<std::size_t>(id)];
    if (!node.changes) continue;
    const NodeRole& role = analysis.roles.nodes[id];
    NodeRow row;
    row.name = analysis.graph.node(id).proto->name();
    row.op = analysis.graph.OpName(id);
    row.role = NameOf(role.role);
    row.layer = role.layer;
    row.compute = NameOf(node.compute);
    for (const std::string& name : analysis.graph.node(id).proto->output()) {
      if (!name.empty()) row.outputs.push_back(name);
    }
    row.evidence = std::string(role.evidence);
    row.why = Texts(node.why);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ValueRow> ValueRows(const Analysis& analysis, const OutputPlan& plan) {
  std::vector<ValueRow> rows;
  for (const IoPlan& io : plan.io) {
    const Value& value = analysis.graph.value(io.value);
    const NodeRole role = analysis.roles.OfValue(io.value);
    rows.push_back(
        {value.name, NameOf(role.role), value.graph_input, NameOf(io.type), Texts(io.why)});
  }
  return rows;
}

std::vector<FormatRow> FormatRows(const std::vector<TensorRow>& tensors) {
  std::map<std::string, FormatRow> formats;
  for (const TensorRow& tensor : tensors) {
    FormatRow& row = formats[tensor.format];
    row.format = tensor.format;
    ++row.tensors;
    row.bytes += tensor.bytes;
  }
  std::vector<FormatRow> rows;
  for (auto& [unused, row] : formats) rows.push_back(std::move(row));
  std::stable_sort(rows.begin(), rows.end(),
                   [](const FormatRow& a, const FormatRow& b) { return a.bytes > b.bytes; });
  return rows;
}

}  // namespace

OutputReport MakeOutputReport(const Analysis& analysis, const OutputPlan& plan,
                              const PlannedOutput& output, bool list_nodes) {
  OutputReport report;
  report.dtype = plan.dtype;
  report.policy = plan.policy;
  report.files.push_back({output.file_name, output.model.size()});
  for (std::size_t shard = 0; shard < output.layout.shard_bytes.size(); ++shard) {
    report.files.push_back({ShardFileName(output.file_name, static_cast<int>(shard)),
                            output.layout.shard_bytes[shard]});
  }
  report.tensors = TensorRows(analysis, plan);
  if (list_nodes) report.nodes = NodeRows(analysis, plan);
  report.values = ValueRows(analysis, plan);
  report.formats = FormatRows(report.tensors);
  report.casts = output.rewritten.casts;
  report.float32_values = output.rewritten.float32_values;
  report.half_values = output.rewritten.half_values;
  report.residual = plan.residual;
  report.rope_cache = plan.rope_cache;
  report.warnings = output.rewritten.warnings;
  return report;
}

}  // namespace onnxquant
