// What matters of the difference between two models, in words.
#ifndef ONNXQUANT_LIB_INSPECT_DIFF_WORDS_H_
#define ONNXQUANT_LIB_INSPECT_DIFF_WORDS_H_

#include <string>
#include <vector>

#include "lib/inspect/diff.h"
#include "lib/policy/plan.h"

namespace onnxquant {

// Sentences that call the models A and B, what breaks a model first: "in B, all 36 residual sums
// run in float16 (A: float32)", and what comes of it.
// Nothing is said of what is equal. `diff` holds all but the sentences.
std::vector<std::string> DiffWords(const Analysis& first, const Analysis& second,
                                   const ModelDiff& diff);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_INSPECT_DIFF_WORDS_H_
