// The parameters that stand beside a format's word in a policy: {format: int4, block: 32}.
#ifndef ONNXQUANT_LIB_FORMATS_PARAMETERS_H_
#define ONNXQUANT_LIB_FORMATS_PARAMETERS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/formats/format.h"
#include "lib/formats/weight_format.h"

namespace onnxquant {

struct ParameterRow {
  Parameter parameter = Parameter::kBlock;
  absl::string_view key;
  absl::Span<const absl::string_view> words;  // what may be said; of a flag: true, false
  bool flag = false;
  void (*set)(WeightFormat& format, absl::string_view word) = nullptr;
  // As it is told: " block 32"; "" where it goes without saying.
  std::string (*text)(const WeightFormat& format) = nullptr;
  absl::string_view about;
};

// In the order in which they are told.
absl::Span<const ParameterRow> ParameterRows();

// Whether some form of the format's word takes it.
bool Takes(absl::string_view word, Parameter parameter);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_PARAMETERS_H_
