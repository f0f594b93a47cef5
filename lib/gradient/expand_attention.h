// What attention and rotary embeddings share.
#ifndef ONNXQUANT_LIB_GRADIENT_EXPAND_ATTENTION_H_
#define ONNXQUANT_LIB_GRADIENT_EXPAND_ATTENTION_H_

#include <cstdint>
#include <string>

#include "lib/gradient/emitter.h"

namespace onnxquant {

struct Rotary {
  std::string cosines;  // [positions, R / 2]
  std::string sines;
  std::string positions;     // [batch, sequence] or [sequence]
  std::int64_t rotated = 0;  // R: elements of a head that turn; those behind stay
  bool interleaved = false;
};

// Of `heads`, [batch, sequence, heads, D], or with `heads_first` [batch, heads, sequence, D].
std::string Rotate(Emitter& emit, const std::string& heads, std::int64_t size, bool heads_first,
                   const Rotary& rotary);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRADIENT_EXPAND_ATTENTION_H_
