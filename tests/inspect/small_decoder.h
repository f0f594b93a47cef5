// A layer and a final norm in the community's form, whose types can be chosen.
#ifndef ONNXQUANT_TESTS_INSPECT_SMALL_DECODER_H_
#define ONNXQUANT_TESTS_INSPECT_SMALL_DECODER_H_

#include <cstddef>
#include <string>

#include "absl/strings/str_replace.h"
#include "lib/policy/plan.h"
#include "tests/support/text_model.h"

namespace onnxquant {

struct DecoderForm {
  std::string type = "float";   // of weights and arithmetic
  std::string scale = "float";  // of the norms' scales
  // What stands between the first residual sum, 's', and what reads 't'.
  std::string between = "t = Identity(s)";
};

inline onnx::ModelProto SmallDecoder(const DecoderForm& form) {
  const std::string text = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
    g (int64[b, n] ids, T[b, 1, p, 4] past_k,
       T[b, 1, p, 4] past_v, int32[b] lens, int32 total)
      => (T[b, n, 64] logits, T[b, 1, q, 4] present_k, T[b, 1, q, 4] present_v)
    <T[64, 8] table, S[8] gain, T[8, 8] wq, T[8, 4] wk, T[8, 4] wv, T[8, 8] wo, T[8, 16] wg,
     T[8, 16] wu, T[16, 8] wd, T[8, 64] head>
    {
      [embed] x = Gather(table, ids)
      [pre] a = SimplifiedLayerNormalization(x, gain)
      [q] q = MatMul(a, wq)
      [k] k = MatMul(a, wk)
      [v] v = MatMul(a, wv)
      [attention] c, present_k, present_v =
          com.microsoft.GroupQueryAttention<num_heads = 2, kv_num_heads = 1>(
              q, k, v, past_k, past_v, lens, total)
      [o] o = MatMul(c, wo)
      [sum_1] s = Add(x, o)
      BETWEEN
      [ff] f = SimplifiedLayerNormalization(t, gain)
      [gate] g = MatMul(f, wg)
      [up] u = MatMul(f, wu)
      act = Gelu(g)
      m = Mul(act, u)
      [down] d = MatMul(m, wd)
      [sum_2] r = Add(t, d)
      [final] h = SimplifiedLayerNormalization(r, gain)
      [head] logits = MatMul(h, head)
    })";
  return ParseModel(absl::StrReplaceAll(
      text, {{"T[", form.type + "["}, {"S[", form.scale + "["}, {"BETWEEN", form.between}}));
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_INSPECT_SMALL_DECODER_H_
