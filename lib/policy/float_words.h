// The words by which policies call types of floats.
#ifndef ONNXQUANT_LIB_POLICY_FLOAT_WORDS_H_
#define ONNXQUANT_LIB_POLICY_FLOAT_WORDS_H_

#include <string>
#include <vector>

#include "lib/model/element_type.h"

namespace onnxquant {

// "float32", "float16", "bfloat16", and "source", or whatever TypeWord(kAsInSource) says.
std::vector<std::string> FloatWords();

// Of one of these.
ElementType TypeOfFloatWord(const std::string& word);

// The opset that the type needs: Cast knows bfloat16 from 13 on.
int LeastOpset(ElementType type);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_FLOAT_WORDS_H_
