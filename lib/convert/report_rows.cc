#include "lib/convert/report_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace onnxquant {
namespace {

std::vector<std::string> Texts(const Reasons& reasons) {
  std::vector<std::string> texts;
  for (const Reason& reason : reasons) texts.push_back(reason.ToString());
  return texts;
}

// Of a copy's tensors those that are stored, and their bytes.
struct StoredParts {
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
};
StoredParts PartsOf(const WeightCopy& copy, const PlannedOutput& output) {
  StoredParts parts{{}, copy.bytes};
  for (const std::string& name : copy.names) {
    const auto unread = output.rewritten.unread.find(name);
    if (unread == output.rewritten.unread.end()) {
      parts.names.push_back(name);
    } else {
      parts.bytes -= unread->second;
    }
  }
  return parts;
}

// By the name of what is stored, the constant whose bytes it shares.
std::map<std::string, std::string> ConstantsShared(const Analysis& analysis, const OutputPlan& plan,
                                                   const PlannedOutput& output) {
  std::map<std::string, std::string> constants;
  if (output.shared.empty()) return constants;
  std::map<std::string, std::string> owners;
  for (const WeightPlan& weight : plan.weights) {
    for (const WeightCopy& copy : weight.copies) {
      for (const std::string& name : copy.names) {
        owners[name] = analysis.graph.value(weight.weight).name;
      }
    }
  }
  for (const SharedTensor& shared : output.shared) {
    const auto owner = owners.find(shared.same_as);
    constants[shared.name] = owner == owners.end() ? shared.same_as : owner->second;
  }
  return constants;
}

// Weights that come in codes, and for which codes are asked: packed anew, or as they are.
void AddRepacked(const Analysis& analysis, const OutputPlan& plan, std::vector<TensorRow>& rows) {
  for (const RepackPlan& repack : plan.repacks) {
    const CodedWeight& weight = analysis.coded_weights[repack.weight];
    const NodeRole& role = analysis.roles.nodes[weight.readers.front().slot.node];
    const auto bytes_of = [&](ValueId value) {
      if (value == kNone) return std::uint64_t{0};
      const std::vector<std::int64_t> dims =
          ConstantShape(analysis.graph, value).value_or(std::vector<std::int64_t>{});
      return PackedBytes(analysis.types[value], dims).value_or(0);
    };
    const bool stays = repack.stored.form == nullptr;
    TensorRow row;
    row.name = analysis.graph.value(weight.codes).name;
    row.shape = weight.dims;
    row.role = NameOf(role.role);
    row.layer = role.layer;
    row.format = stays ? kCodesOfSource : ToString(repack.stored.format);
    row.input_bytes = bytes_of(weight.codes);
    if (!stays) row.input_bytes += bytes_of(weight.scales) + bytes_of(weight.zero_points);
    row.bytes = repack.bytes;
    row.stored_as = stays ? std::vector<std::string>{row.name} : repack.names;
    row.left = repack.left;
    row.why = Texts(repack.why);
    rows.push_back(std::move(row));
  }
}

std::vector<TensorRow> TensorRows(const Analysis& analysis, const OutputPlan& plan,
                                  const PlannedOutput& output) {
  const std::map<std::string, std::string> shared = ConstantsShared(analysis, plan, output);
  std::map<std::string, std::uint64_t> bytes_shared;
  for (const SharedTensor& one : output.shared) bytes_shared[one.name] = one.bytes;
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
      StoredParts parts = PartsOf(copy, output);
      if (parts.names.empty()) continue;  // nothing reads it any more
      row.bytes = parts.bytes;
      row.stored_as = std::move(parts.names);
      row.left = copy.left;
      if (!copy.format.IsFloat()) {
        row.method = std::string(methods::RowOf(copy.choice.method).word);
        row.statistic = copy.choice.statistic;
        row.gradients = copy.choice.gradient;
        if (copy.choice.method != methods::Method::kNearest) {
          absl::StrAppend(&row.format, ", ", row.method);
        }
      }
      if (const auto same = shared.find(copy.names[0]); same != shared.end()) {
        row.same_as = same->second;
        row.bytes = 0;
      } else {
        for (const std::string& name : row.stored_as) {
          const auto part = bytes_shared.find(name);
          if (part != bytes_shared.end()) row.bytes -= part->second;
        }
      }
      row.why = Texts(copy.why);
      rows.push_back(std::move(row));
    }
  }
  AddRepacked(analysis, plan, rows);
  return rows;
}

// What `tie: false` would cost.
void AddTied(const OutputPlan& plan, OutputReport& report) {
  for (const WeightPlan& weight : plan.weights) {
    for (const WeightCopy& copy : weight.copies) {
      if (copy.format.IsFloat()) continue;
      const std::set<const Format*> forms(copy.readers.begin(), copy.readers.end());
      if (forms.size() < 2) continue;
      const StoredTensor codes = copy.stored.form->tensors(copy.stored)[0];
      ++report.tied_tensors;
      report.tied_bytes += (forms.size() - 1) * PackedBytes(codes.type, codes.dims).value_or(0);
    }
  }
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

// What codes were asked for and save nothing, in a sentence; "" where they do, and where the model
// came in codes, which are not counted here.
std::string NothingSaved(const Analysis& analysis, const OutputPlan& plan,
                         const PlannedOutput& output) {
  std::uint64_t stored = 0;
  std::uint64_t as_floats = 0;
  bool asked = false;
  bool any = false;
  for (const WeightPlan& weight : plan.weights) {
    const ElementType source = analysis.types[static_cast<std::size_t>(weight.weight)];
    const ElementType type = plan.compute == kAsInSource ? source : plan.compute;
    as_floats += PackedBytes(type, *ConstantShape(analysis.graph, weight.weight)).value_or(0);
    for (const WeightCopy& copy : weight.copies) {
      stored += PartsOf(copy, output).bytes;
      any = any || !copy.format.IsFloat();
      asked = asked || !copy.format.IsFloat() || !copy.left.empty();
    }
  }
  if (!asked || stored < as_floats || !plan.repacks.empty()) return "";
  for (const Node& node : analysis.graph.nodes()) {
    if (HoldsCodes(*node.proto)) return "";
  }
  return absl::StrCat(any ? "codes save nothing" : "no weight is in codes", ": the weights take ",
                      stored, " bytes, and as ",
                      plan.compute == kAsInSource ? "floats of the source" : NameOf(plan.compute),
                      " they would take ", as_floats);
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
  report.tensors = TensorRows(analysis, plan, output);
  for (const SharedTensor& shared : output.shared) {
    ++report.shared_tensors;
    report.shared_bytes += shared.bytes;
  }
  AddTied(plan, report);
  if (list_nodes) report.nodes = NodeRows(analysis, plan);
  report.values = ValueRows(analysis, plan);
  report.formats = FormatRows(report.tensors);
  report.casts = output.rewritten.casts;
  report.float32_values = output.rewritten.float32_values;
  report.half_values = output.rewritten.half_values;
  report.residual = plan.residual;
  report.rope_cache = plan.rope_cache;
  if (std::string nothing = NothingSaved(analysis, plan, output); !nothing.empty()) {
    report.warnings.push_back(std::move(nothing));  // the first: the others may be many
  }
  report.warnings.insert(report.warnings.end(), output.rewritten.warnings.begin(),
                         output.rewritten.warnings.end());
  return report;
}

}  // namespace onnxquant
