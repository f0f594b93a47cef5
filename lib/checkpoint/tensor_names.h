// What names of a checkpoint's tensors tell.
#ifndef ONNXQUANT_LIB_CHECKPOINT_TENSOR_NAMES_H_
#define ONNXQUANT_LIB_CHECKPOINT_TENSOR_NAMES_H_

#include <string>

#include "lib/checkpoint/checkpoint.h"

namespace onnxquant {

// How much two names have in common; numbers, which tell layers apart, count most.
int LikenessOf(const std::string& a, const std::string& b);

// Whether training changes it: not frequencies, masks and counters, nor integers.
bool IsTrained(const CheckpointTensor& tensor);

// Whether it makes logits of a vocabulary.
bool IsHead(const std::string& name);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_TENSOR_NAMES_H_
