// The table of weight formats. A new one is a row here and a file beside.
#ifndef ONNXQUANT_LIB_FORMATS_FORMATS_H_
#define ONNXQUANT_LIB_FORMATS_FORMATS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/formats/format.h"

namespace onnxquant {

absl::Span<const Format* const> Formats();

// The words for codes that policies may say, each once, in the table's order.
std::vector<std::string> CodeWords();

// The format of a word, with every parameter as it is when nothing is said; nothing for a word that
// the table lacks.
std::optional<WeightFormat> FormatOfWord(absl::string_view word);

// The first form of the format's word that fits the reading; else why none does. `by_rule`: a rule,
// not an output's default, asks for it.
FormatFit FindFit(const WeightFormat& format, const WeightReading& reading, bool by_rule);

// Whether a rule could have the constant stored in that format, whatever the reader computes in.
bool MayFit(const WeightFormat& format, const WeightReading& reading);

// Whether some form that has an accuracy level fits, whatever the reader computes in.
bool MayTakeAccuracyLevel(const WeightReading& reading);

// Whether some form whose codes a method may choose fits, likewise.
bool MayTakeMethod(const WeightReading& reading);

// Whether some form that shares its codes with others fits, likewise.
bool MayTie(const WeightReading& reading);

// The lowest opset of ONNX's own domain that every form of the word can be written in.
int LeastOpset(const WeightFormat& format);

// Whether all tensors of both have the same bytes, so that one set of them serves both readers.
bool SameCodes(const Stored& a, const Stored& b);

// Likewise of two constants, one of which is the other's transpose.
bool SameCodesOfTransposes(const Stored& a, const Stored& b);

// That whose form is the first in the table: the others' readers take its codes in their own shape.
const Stored& FirstInTable(const Stored& a, const Stored& b);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_FORMATS_H_
