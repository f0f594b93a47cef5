#include "lib/rewrite/casts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/formats/node_proto.h"

namespace onnxquant {
namespace {

std::string EmitCast(const std::string& from, ElementType to, const std::string& output,
                     GraphWriter& writer, CastTable& casts) {
  writer.RequireOpset("", 13);  // the first whose Cast knows every type that is written here
  onnx::NodeProto node =
      MakeNode("Cast", writer.UniqueNode(absl::StrCat(output, "/Cast")), {from}, {output});
  SetInt(node, "to", static_cast<int>(to));
  writer.AddNode(std::move(node));
  ++casts.written;
  return output;
}

std::string CastOfConstant(const std::string& name, ElementType to, GraphWriter& writer,
                           CastTable& casts) {
  return writer.Once(absl::StrCat("Cast to ", NameOf(to), " of ", name), [&] {
    const std::string output = writer.UniqueValue(absl::StrCat(name, "_", NameOf(to)));
    return EmitCast(name, to, output, writer, casts);
  });
}

}  // namespace

CastTable StartCastTable(const EmitInput& input) {
  CastTable casts;
  for (const auto& [output, type] : input.names.cast_outputs) {
    casts.of_values.Add(kMainScope, {output, type}, input.graph().value(output).name);
  }
  return casts;
}

std::string InputName(const EmitInput& input, const Use& slot, GraphWriter& writer,
                      CastTable& casts) {
  const ValueId value = input.ValueAt(slot);
  const ElementType needed = NeededType(input.analysis, input.plan, slot);
  const auto [copy, directly, form, stored, names] = input.constants.ReadBy(slot);
  if (input.constants.Contains(value) || directly) {
    // Without a float copy the reader is a Transpose whose own readers all read codes: dead.
    if (copy == nullptr || form != nullptr) {
      return input.graph().value(value).name;
    }
    if (needed == ElementType::kUndefined || copy->format.type == needed) return copy->names[0];
    return CastOfConstant(copy->names[0], needed, writer, casts);
  }
  if (needed == ElementType::kUndefined || !input.IsFloatValue(value) ||
      input.TypeOf(value) == needed) {
    return input.names.Of(value);
  }
  return CastOf(input, value, needed, Look::kAround, writer, casts);
}

// One Cast per value and type, placed before its first reader in that reader's graph, unless one
// stands in a graph around it. A value that was widened from the wanted type is read from before
// the widening, which loses nothing.
std::string CastOf(const EmitInput& input, ValueId value, ElementType to, Look look,
                   GraphWriter& writer, CastTable& casts) {
  // What stands in place of a Cast that is left out may have been cast already.
  const std::string& name_here = input.names.Of(value);
  value = input.ReadInPlaceOf(value);
  if (input.constants.Contains(value)) return CastOfConstant(name_here, to, writer, casts);
  if (const std::string* found = casts.of_values.Find(writer.open(), {value, to}, look);
      found != nullptr) {
    return *found;
  }
  const NodeId producer = input.graph().value(value).producer;
  if (look == Look::kAround && producer != kNone && input.Traits(producer).float_cast &&
      input.TypeOf(value) == ElementType::kFloat) {
    const ValueId source = input.ValueAt({producer, 0});
    if (!input.constants.Contains(source) && input.TypeOf(source) == to) {
      return input.names.Of(source);
    }
  }
  std::string output =
      writer.UniqueValue(absl::StrCat(input.graph().value(value).name, "_", NameOf(to)));
  EmitCast(input.names.Of(value), to, output, writer, casts);
  casts.of_values.Add(writer.open().back(), {value, to}, output);
  return output;
}

void EmitOutputCast(const EmitInput& input, ValueId output, GraphWriter& writer, CastTable& casts) {
  EmitCast(input.names.Of(output), input.names.cast_outputs.at(output),
           input.graph().value(output).name, writer, casts);
}

}  // namespace onnxquant
