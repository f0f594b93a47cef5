// The input of the fuzzers that read a model: two bytes of choices, then a serialized ModelProto.
// Its mutators (model_input.cc) change the message and leave it one, most of the time.
#ifndef ONNXQUANT_FUZZ_MODEL_INPUT_H_
#define ONNXQUANT_FUZZ_MODEL_INPUT_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace onnxquant::fuzz {

inline constexpr std::size_t kChoices = 2;

struct ModelInput {
  std::uint8_t policy = 0;
  std::uint8_t options = 0;
  absl::Span<const std::byte> model;
};

// Shorter inputs have no choices and an empty model.
ModelInput SplitModelInput(const std::uint8_t* data, std::size_t size);

}  // namespace onnxquant::fuzz

#endif  // ONNXQUANT_FUZZ_MODEL_INPUT_H_
