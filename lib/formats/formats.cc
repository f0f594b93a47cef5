#include "lib/formats/formats.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/formats/parameters.h"

namespace onnxquant {

extern const Format kMatMulNBits;
extern const Format kConvNBits;
extern const Format kGatherBlocks;
extern const Format kGatherPlain;
extern const Format kQMoE;
extern const Format kDequantizedTable;
extern const Format kMatMulInteger;
extern const Format kConvInteger;
extern const Format kGatherInteger;
extern const Format kLstmInteger;
extern const Format kAttentionInteger;
extern const Format kBnb4;
extern const Format kQdq;
extern const Format kQdqOthers;
extern const Format kFloat8;
extern const Format kFloat8Others;

namespace {

constexpr const Format* kTable[] = {
    &kMatMulNBits,   &kConvNBits,        &kGatherBlocks,     &kGatherPlain,
    &kQMoE,          &kDequantizedTable, &kMatMulInteger,    &kConvInteger,
    &kGatherInteger, &kLstmInteger,      &kAttentionInteger, &kBnb4,
    &kQdq,           &kQdqOthers,        &kFloat8,           &kFloat8Others,
};

const FormatWord* FindWord(const Format& form, absl::string_view word) {
  const auto* found = std::find_if(form.words.begin(), form.words.end(),
                                   [&](const FormatWord& own) { return own.word == word; });
  return found == form.words.end() ? nullptr : found;
}

bool Lists(const Format& form, absl::string_view op) {
  return std::any_of(form.operators.begin(), form.operators.end(),
                     [&](absl::string_view own) { return own == op || own == kAnyOperator; });
}

}  // namespace

absl::Span<const Format* const> Formats() {
  return kTable;
}

std::vector<std::string> CodeWords() {
  std::vector<std::string> words;
  for (const Format* form : kTable) {
    for (const FormatWord& own : form->words) {
      if (std::find(words.begin(), words.end(), own.word) == words.end()) {
        words.emplace_back(own.word);
      }
    }
  }
  return words;
}

std::optional<WeightFormat> FormatOfWord(absl::string_view word) {
  for (const Format* form : kTable) {
    const FormatWord* own = FindWord(*form, word);
    if (own == nullptr) continue;
    WeightFormat format;
    format.word = own->word;
    format.bits = own->bits;
    format.is_signed = own->is_signed;
    format.symmetric = own->symmetric;
    format.per_channel = own->per_channel;
    format.block = own->block;
    return format;
  }
  return std::nullopt;
}

FormatFit FindFit(const WeightFormat& format, const WeightReading& reading, bool by_rule) {
  FormatFit none;
  std::vector<std::string> operators;
  for (const Format* form : kTable) {
    if (FindWord(*form, format.word) == nullptr) continue;
    for (const absl::string_view op : form->operators) operators.emplace_back(op);
    if (!Lists(*form, reading.op)) continue;
    if (form->by_rule && !by_rule) {
      if (none.reason.empty()) {
        none.reason =
            absl::StrCat("only a rule that names it has a ", reading.op, " read ", format.word);
      }
      continue;
    }
    FormatFit fit = form->fits(*form, format, reading);
    if (fit.ok()) return fit;
    if (none.reason.empty()) none.reason = std::move(fit.reason);
  }
  if (none.reason.empty()) {
    none.reason = absl::StrCat("no ", reading.op, " reads ", format.word, "; ",
                               absl::StrJoin(operators, ", "), " may");
  }
  return none;
}

bool MayFit(const WeightFormat& format, const WeightReading& reading) {
  WeightReading in_float32 = reading;
  in_float32.compute = in_float32.scale = ElementType::kFloat;
  return FindFit(format, in_float32, true).ok();
}

namespace {

template <typename T>
bool SomeFits(T Format::*property, const WeightReading& reading) {
  return std::any_of(std::begin(kTable), std::end(kTable), [&](const Format* form) {
    return static_cast<bool>(form->*property) &&
           MayFit(*FormatOfWord(form->words[0].word), reading);
  });
}

}  // namespace

bool MayTakeAccuracyLevel(const WeightReading& reading) {
  return SomeFits(&Format::accuracy_level, reading);
}

bool MayTakeMethod(const WeightReading& reading) {
  return SomeFits(&Format::takes_method, reading);
}

bool MayTie(const WeightReading& reading) {
  return SomeFits(&Format::codes, reading);
}

int LeastOpset(const WeightFormat& format) {
  int opset = 0;
  for (const Format* form : kTable) {
    const FormatWord* own = FindWord(*form, format.word);
    if (own != nullptr) opset = std::max({opset, form->opset, own->opset});
  }
  return opset;
}

bool SameCodes(const Stored& a, const Stored& b) {
  if (a == b) return true;
  if (a.form == nullptr || b.form == nullptr) return false;
  if (a.form->codes == nullptr || b.form->codes == nullptr) return false;
  return a.form->codes(a) == b.form->codes(b);
}

bool SameCodesOfTransposes(const Stored& a, const Stored& b) {
  if (a.form == nullptr || b.form == nullptr) return false;
  if (!a.form->by_channel || !b.form->by_channel) return false;
  Stored turned = b;
  turned.transposed = !b.transposed;
  return SameCodes(a, turned);
}

const Stored& FirstInTable(const Stored& a, const Stored& b) {
  const auto at = [](const Stored& stored) {
    return std::find(std::begin(kTable), std::end(kTable), stored.form);
  };
  return at(b) < at(a) ? b : a;
}

std::string ToString(const WeightFormat& format) {
  if (format.IsFloat()) return TypeWord(format.type);
  std::string text(format.word);
  for (const ParameterRow& row : ParameterRows()) {
    if (Takes(format.word, row.parameter)) text += row.text(format);
  }
  return text;
}

std::string TypeWord(ElementType type) {
  return type == kAsInSource ? "source" : NameOf(type);
}

std::uint64_t BytesOf(const Stored& stored) {
  std::uint64_t bytes = 0;
  for (const StoredTensor& tensor : stored.form->tensors(stored)) {
    bytes += PackedBytes(tensor.type, tensor.dims).value_or(0);
  }
  return bytes;
}

}  // namespace onnxquant
