#include "lib/formats/parameters.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/formats/formats.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kBlocks[] = {"16", "32", "64", "128", "256"};
constexpr absl::string_view kFlag[] = {"true", "false"};
constexpr absl::string_view kSources[] = {"float32", "float16"};

void SetBlock(WeightFormat& format, absl::string_view word) {
  static_cast<void>(absl::SimpleAtoi(word, &format.block));
  format.per_channel = false;
}
std::string BlockText(const WeightFormat& format) {
  return format.block == 0 ? "" : absl::StrCat(" block ", format.block);
}

void SetSymmetric(WeightFormat& format, absl::string_view word) {
  format.symmetric = word == "true";
}
std::string SymmetricText(const WeightFormat& format) {
  return format.symmetric ? " symmetric" : " asymmetric";
}

void SetSource(WeightFormat& format, absl::string_view word) {
  format.source = word == "float16" ? ElementType::kFloat16 : ElementType::kFloat;
}
std::string SourceText(const WeightFormat& format) {
  return format.source == ElementType::kFloat ? "" : " from float16";
}

// Of a word that may have blocks, it says that there are none.
bool InBlocks(const WeightFormat& format) {
  return format.block != 0 && Takes(format.word, Parameter::kBlock);
}
void SetPerChannel(WeightFormat& format, absl::string_view word) {
  if (InBlocks(format)) format.block = 0;
  format.per_channel = word == "true";
}
std::string PerChannelText(const WeightFormat& format) {
  if (InBlocks(format)) return "";
  return format.per_channel ? " per channel" : " per tensor";
}

void SetReduceRange(WeightFormat& format, absl::string_view word) {
  format.reduce_range = word == "true";
}
std::string ReduceRangeText(const WeightFormat& format) {
  return format.reduce_range ? " of 7 bits" : "";
}

constexpr ParameterRow kRows[] = {
    {Parameter::kBlock, "block", kBlocks, false, SetBlock, BlockText, "codes that share a scale"},
    {Parameter::kSymmetric, "symmetric", kFlag, true, SetSymmetric, SymmetricText,
     "without zero points"},
    {Parameter::kSource, "source", kSources, false, SetSource, SourceText,
     "what the quantizer is given: the weight as it is, or rounded first"},
    {Parameter::kPerChannel, "per_channel", kFlag, true, SetPerChannel, PerChannelText,
     "a scale for each output channel, not one for the whole weight"},
    {Parameter::kReduceRange, "reduce_range", kFlag, true, SetReduceRange, ReduceRangeText,
     "7 of the 8 bits, for processors whose 8-bit products saturate"},
};

}  // namespace

absl::Span<const ParameterRow> ParameterRows() {
  return kRows;
}

bool Takes(absl::string_view word, Parameter parameter) {
  return std::any_of(Formats().begin(), Formats().end(), [&](const Format* form) {
    const bool says = std::any_of(form->words.begin(), form->words.end(),
                                  [&](const FormatWord& own) { return own.word == word; });
    return says && std::find(form->parameters.begin(), form->parameters.end(), parameter) !=
                       form->parameters.end();
  });
}

}  // namespace onnxquant
