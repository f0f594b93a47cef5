#include "lib/rewrite/rope_tables.h"

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/formats/node_proto.h"

namespace onnxquant {
namespace {

class Maker {
 public:
  Maker(const RopePlan& plan, GraphWriter& writer) : plan_(plan), writer_(writer) {}

  void Make(const RopeTablePlan& table, const std::string& name) {
    if (!made_.insert(name).second) return;
    const std::string& angles = AnglesOf(table.angles);
    const std::string turned = table.factor == 1 ? name : writer_.UniqueValue(name + "/unscaled");
    Add(table.sines ? "Sin" : "Cos", name, {angles}, turned);
    if (table.factor == 1) return;
    const std::string factor =
        AddConstant(writer_, absl::StrCat(name, "/factor"),
                    ScalarTensor(static_cast<double>(table.factor), ElementType::kFloat));
    Add("Mul", name, {turned, factor}, name);
  }

 private:
  const std::string& AnglesOf(int index) {
    const auto [it, added] = angles_.try_emplace(index);
    if (!added) return it->second;
    const RopeAngles& angles = plan_.angles[static_cast<std::size_t>(index)];
    const std::string& base = angles.name;
    writer_.AddNumbers(base, {1, static_cast<std::int64_t>(angles.frequencies.size())},
                       angles.frequencies);
    const std::string positions = writer_.UniqueValue(base + "/positions");
    Add("Range", base,
        {Position(base + "/first", 0), Position(base + "/end", angles.positions),
         Position(base + "/step", 1)},
        positions);
    const std::string shape = writer_.Once("shape of a column", [&] {
      return AddInts(writer_, base + "/shape", {-1, 1});
    });
    const std::string column = writer_.UniqueValue(base + "/column");
    Add("Reshape", base, {positions, shape}, column);
    it->second = writer_.UniqueValue(base + "/angles");
    Add("Mul", base, {column, base}, it->second);
    return it->second;
  }

  // One constant for all that read the same position.
  std::string Position(const std::string& wanted, std::int64_t position) {
    return writer_.Once(absl::StrCat("position ", position), [&] {
      const auto number = static_cast<double>(position);
      return AddConstant(writer_, wanted, ScalarTensor(number, ElementType::kFloat));
    });
  }

  void Add(const char* op, const std::string& base, absl::Span<const std::string> inputs,
           const std::string& output) {
    writer_.AddNode(
        MakeNode(op, writer_.UniqueNode(absl::StrCat(base, "/", op)), inputs, {output}));
  }

  const RopePlan& plan_;
  GraphWriter& writer_;
  absl::flat_hash_map<int, std::string> angles_;  // values, by index
  absl::flat_hash_set<std::string> made_;
};

}  // namespace

void MakeRopeTables(const EmitInput& input, GraphWriter& writer) {
  const RopePlan& plan = input.plan.rope;
  Maker maker(plan, writer);
  for (const WeightPlan& weight : input.plan.weights) {
    for (const WeightCopy& copy : weight.copies) {
      if (copy.made) maker.Make(plan.tables.at(weight.weight), copy.names[0]);
    }
  }
}

}  // namespace onnxquant
