#include "lib/policy/plan_repacks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/formats/formats.h"
#include "lib/policy/subjects.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kTarget = "matmul_nbits";
constexpr std::int64_t kBlocks[] = {16, 32, 64, 128, 256};

// The constant as products see it.
WeightReading ReadingOf(const PlanContext& context, const CodedWeight& weight,
                        const CodedReading& reader) {
  WeightReading reading;
  reading.node = context.graph().node(reader.slot.node).proto;
  reading.op = context.graph().OpName(reader.slot.node);
  reading.input = reader.slot.input;
  reading.dims = weight.dims;
  reading.transposed = reader.transposed;
  return reading;
}

Subject SubjectOfReading(const PlanContext& context, const CodedWeight& weight,
                         const CodedReading& reader) {
  Subject subject = SubjectOf(context, reader.slot.node);
  subject.weight = context.graph().value(weight.codes).name;
  subject.reading = ReadingOf(context, weight, reader);
  return subject;
}

// Why codes that lie as `stored` says cannot be packed along K; "" where they can.
std::string WhyNotPacked(const CodedWeight& weight, const Stored& stored) {
  if (weight.axis != (stored.transposed ? 1 : 0)) {
    return "its blocks lie along the columns of the product, and a product of codes has them along "
           "what it sums";
  }
  if (std::find(std::begin(kBlocks), std::end(kBlocks), weight.block) == std::end(kBlocks)) {
    return absl::StrCat(
        "its blocks have ", weight.block,
        " codes, and those that products and tables are read in 16, 32, 64, 128 or 256");
  }
  if (weight.dims[1] * weight.bits % 8 != 0) {
    return absl::StrCat("its rows of ", weight.dims[1], " codes of ", weight.bits,
                        " bits do not end with a byte");
  }
  return "";
}

// A residual stream that is rescaled has its factors in the scales, where their reader stays.
bool IsRescaled(const OutputPlan& plan, ValueId scales) {
  return std::any_of(plan.weights.begin(), plan.weights.end(), [&](const WeightPlan& own) {
    return own.weight == scales &&
           std::any_of(own.copies.begin(), own.copies.end(),
                       [](const WeightCopy& copy) { return copy.exponent != 0; });
  });
}

// The form that one reader takes, or why it takes none; nothing where the policy asks for none.
std::optional<FormatFit> FitFor(const PlanContext& context, const CodedWeight& weight,
                                const CodedReading& reader, const OutputPlan& plan,
                                SettingsResolver& resolver, Reasons& why) {
  const Subject subject = SubjectOfReading(context, weight, reader);
  const Resolved resolved = resolver.Resolve({&subject, 1});
  WeightReading reading = *subject.reading;
  const bool unnamed_table = reading.op == "Gather" && !resolved.weights_by_rule;
  if (!AsksForBlocks(resolved) || unnamed_table) return std::nullopt;
  why = OnlyFor(kWeightsField, resolved.why);
  if (!weight.stays.empty()) return FormatFit{{}, weight.stays};
  if (resolved.weights.bits != weight.bits) {
    return FormatFit{
        {},
        absl::StrCat("its codes have ", weight.bits, " bits, and ", resolved.weights.word,
                     " asks for ", resolved.weights.bits, "; codes are not made of codes")};
  }
  WeightFormat format = resolved.weights;
  format.block = weight.block;
  format.symmetric = weight.zero_points == kNone;
  format.source = ElementType::kFloat;
  reading.compute = reading.scale = plan.nodes[reader.slot.node].compute;
  FormatFit fit = FindFit(format, reading, resolved.weights_by_rule);
  if (fit.ok()) fit.reason = WhyNotPacked(weight, fit.stored);
  if (fit.reason.empty() && IsRescaled(plan, weight.scales)) {
    fit.reason = "the residual stream's factor is in its scales";
  }
  if (!fit.reason.empty()) fit.stored.form = nullptr;
  return fit;
}

// The codes of all readers: floats that one of them reads would have to be made anyway. `readers`
// are their forms.
std::optional<FormatFit> FitForAll(const PlanContext& context, const CodedWeight& weight,
                                   const OutputPlan& plan, SettingsResolver& resolver, Reasons& why,
                                   std::vector<const Format*>& readers) {
  std::optional<FormatFit> common;
  std::size_t asked = 0;
  for (const CodedReading& reader : weight.readers) {
    std::optional<FormatFit> fit = FitFor(context, weight, reader, plan, resolver, why);
    if (!fit) continue;
    ++asked;
    if (!fit->ok()) return fit;
    if (common && !SameCodes(common->stored, fit->stored)) {
      return FormatFit{{},
                       "its readers compute in several types, or see it turned or padded "
                       "differently"};
    }
    readers.push_back(fit->stored.form);
    if (!common || &FirstInTable(common->stored, fit->stored) == &fit->stored) common = fit;
  }
  if (asked > 0 && asked < weight.readers.size()) {
    return FormatFit{{}, "codes are asked for some of its readers only"};
  }
  return common;
}

// The name of the weight: that of its codes, without what this program puts behind it.
absl::string_view BaseName(absl::string_view codes) {
  for (const absl::string_view suffix : {"_DQ_Q2", "_DQ_Q4", "_DQ_Q8"}) {
    if (absl::ConsumeSuffix(&codes, suffix)) break;
  }
  return codes;
}

}  // namespace

Resolved ResolveReading(const PlanContext& context, const CodedWeight& weight,
                        const CodedReading& reader, SettingsResolver& resolver) {
  const Subject subject = SubjectOfReading(context, weight, reader);
  return resolver.Resolve({&subject, 1});
}

bool AsksForBlocks(const Resolved& resolved) {
  return std::any_of(Formats().begin(), Formats().end(), [&](const Format* form) {
    return form->name == kTarget &&
           std::any_of(form->words.begin(), form->words.end(),
                       [&](const FormatWord& own) { return own.word == resolved.weights.word; });
  });
}

void PlanRepacks(const PlanContext& context, SettingsResolver& resolver, ValueNames& names,
                 OutputPlan& plan) {
  for (std::size_t i = 0; i < context.analysis.coded_weights.size(); ++i) {
    const CodedWeight& weight = context.analysis.coded_weights[i];
    RepackPlan repack;
    repack.weight = i;
    std::optional<FormatFit> fit =
        FitForAll(context, weight, plan, resolver, repack.why, repack.readers);
    if (!fit) continue;
    if (fit->ok()) {
      repack.stored = std::move(fit->stored);
      repack.bytes = BytesOf(repack.stored);
      const std::string& codes = context.graph().value(weight.codes).name;
      for (const StoredTensor& tensor : repack.stored.form->tensors(repack.stored)) {
        repack.names.push_back(names.taken.Take(absl::StrCat(BaseName(codes), tensor.suffix)));
      }
      repack.why.push_back({"the source, whose codes are packed anew,",
                            absl::StrCat("weights: ", ToString(repack.stored.format))});
    } else {
      repack.left = std::move(fit->reason);
      repack.bytes = PackedBytes(context.OriginalType(weight.codes), weight.dims).value_or(0);
      repack.why.push_back(
          {absl::StrCat("what codes allow (", repack.left, ")"), "weights: codes of the source"});
    }
    plan.repacks.push_back(std::move(repack));
  }
}

}  // namespace onnxquant
