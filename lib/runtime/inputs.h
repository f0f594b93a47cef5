// Inputs that are made up from a model's own signature.
#ifndef ONNXQUANT_LIB_RUNTIME_INPUTS_H_
#define ONNXQUANT_LIB_RUNTIME_INPUTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/runtime/padding.h"
#include "lib/runtime/signature.h"
#include "lib/runtime/tensor.h"

namespace onnxquant {

struct InputOptions {
  std::uint64_t seed = 0;
  // Sizes for dimensions that the model leaves open, by symbol. Others: 1 for the first dimension
  // and for what is called batch, 16 elsewhere; one symbol has one size.
  std::map<std::string, std::int64_t> dims;
  // What is read instead: see ReadInputs. None: inputs are made up.
  std::vector<std::string> files = {};
  // Of made-up inputs. With padding, what is called batch is 2 where it is open.
  Padding padding = Padding::kNone;
};

// The size that an open dimension gets, at place `axis` of its input.
std::int64_t ChooseDimension(const Dimension& dimension, std::size_t axis,
                             const InputOptions& options);

// Floats are normally distributed (mean 0, variance 1), integers 0 … 9, masks and booleans 1. The
// numbers depend on the seed and the input's name alone, not on its element type, so that a float16
// copy of a model gets the rounded values of the float32 one. Error (kVerify): a type that cannot
// be made up.
absl::StatusOr<Tensor> MakeInput(const ValueSignature& input, const InputOptions& options);

// One of each.
absl::StatusOr<std::vector<NamedTensor>> MakeInputs(const Signature& signature,
                                                    const InputOptions& options);

// Whether made-up inputs of the model can have padding: it takes a mask of integers or booleans,
// whose last dimension is more than 1.
bool TakesPadding(const Signature& signature, const InputOptions& options);

// Adds to an error of running the model on such inputs how open dimensions get other sizes, where
// there are some.
absl::Status SuggestDimensions(const absl::Status& status, const Signature& signature);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_INPUTS_H_
