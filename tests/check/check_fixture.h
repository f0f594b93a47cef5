// What the tests of the checkers share.
#ifndef ONNXQUANT_TESTS_CHECK_CHECK_FIXTURE_H_
#define ONNXQUANT_TESTS_CHECK_CHECK_FIXTURE_H_

#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "lib/model/serialize.h"
#include "onnxquant/check.h"
#include "tests/support/half_model.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {

inline constexpr char kCheckHead[] =
    "<ir_version: 10, opset_import: [\"\" : 21, \"com.microsoft\" : 1]>\ng ";

// A layer of Gemma's kind: both branches of the stream end in a norm, whose gain bounds them. GAIN
// is that gain. In float16 its norms hold sqrt(65504 * 8) = 724.
inline constexpr char kStream[] = R"((int64[n] ids) => (float[n, 50] logits)
<float[50, 8] table, float[8] gain, float[8] post = {GAIN, 1, 1, 1, 1, 1, 1, 1}, float[8, 8] w,
 float[8, 50] head> {
  [embed] h0 = Gather(table, ids)
  [norm0] n0 = SimplifiedLayerNormalization<axis = -1>(h0, gain)
  [down] p = MatMul(n0, w)
  [post_norm] b0 = SimplifiedLayerNormalization<axis = -1>(p, post)
  [sum] h1 = Add(h0, b0)
  [norm1] n1 = SimplifiedLayerNormalization<axis = -1>(h1, gain)
  [lm_head] logits = MatMul(n1, head)
})";

// The same with its norms in float32 where InHalf() has made the rest float16.
inline constexpr char kWideNorms[] = R"((int64[n] ids) => (float[n, 50] logits)
<float[50, 8] table, float[8] wide_gain, float[8] wide_post = {GAIN, 1, 1, 1, 1, 1, 1, 1},
 float[8, 8] w, float[8, 50] head> {
  [embed] h0 = Gather(table, ids)
  [cast0] wide_h0 = Cast<to = 1>(h0)
  [norm0] wide_n0 = SimplifiedLayerNormalization<axis = -1>(wide_h0, wide_gain)
  [back0] n0 = Cast<to = 1>(wide_n0)
  [down] p = MatMul(n0, w)
  [cast1] wide_p = Cast<to = 1>(p)
  [post_norm] wide_b0 = SimplifiedLayerNormalization<axis = -1>(wide_p, wide_post)
  [back1] b0 = Cast<to = 1>(wide_b0)
  [sum] h1 = Add(h0, b0)
  [cast2] wide_h1 = Cast<to = 1>(h1)
  [norm1] wide_n1 = SimplifiedLayerNormalization<axis = -1>(wide_h1, wide_gain)
  [back2] n1 = Cast<to = 1>(wide_n1)
  [lm_head] logits = MatMul(n1, head)
})";

class CheckTest : public ::testing::Test {
 protected:
  static onnx::ModelProto Text(const std::string& text, const std::string& gain = "1") {
    return ParseModel(kCheckHead + absl::StrReplaceAll(text, {{"GAIN", gain}}));
  }

  const CheckResult& Check(const onnx::ModelProto& model, const CheckOptions& options = {},
                           const std::string& name = "model_fp16.onnx") {
    std::string bytes;
    EXPECT_TRUE(SerializeModel(model, &bytes).ok());
    folder_.Write(name, bytes);
    return CheckFile(name, options);
  }

  const CheckResult& CheckFile(const std::string& name, const CheckOptions& options = {}) {
    absl::StatusOr<CheckResult> result = CheckModel(folder_ / name, options);
    EXPECT_TRUE(result.ok()) << result.status();
    result_ = result.ok() ? *std::move(result) : CheckResult();
    return result_;
  }

  // The kinds of what was found, in order.
  std::vector<std::string> Kinds() const {
    std::vector<std::string> kinds;
    for (const Finding& finding : result_.findings) kinds.push_back(finding.kind);
    return kinds;
  }

  TempFolder folder_;
  CheckResult result_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_CHECK_CHECK_FIXTURE_H_
