#include "lib/gradient/expand_attention.h"

#include "lib/gradient/expand.h"

namespace onnxquant {
namespace {

// Large enough that no exponential of it is left, and finite, so that nothing becomes NaN.
constexpr float kMasked = -1e30F;

// What keys a query may see, [sequence, sequence]: itself and those before it; with a window, so
// many of them.
std::string CausalMask(Emitter& emit, const std::string& length, std::int64_t window) {
  const std::string range = emit.Make("Range", {emit.Int(0), length, emit.Int(1)});
  const std::string query = emit.Unsqueeze(range, 1);
  const std::string key = emit.Unsqueeze(range, 0);
  std::string causal = emit.Make("LessOrEqual", {key, query});
  if (window <= 0) return causal;
  const std::string first = emit.Make("Sub", {query, emit.Int(window)});
  return emit.Make("And", {causal, emit.Make("Greater", {key, first})});
}

// "" or why not.
std::string WhyNot(const FusedNode& n) {
  if (!n.has(1) || !n.has(2)) return "its queries, keys and values are packed into one input";
  if (n.has(11)) return "it has sinks (head_sink)";
  if (n.Int("smooth_softmax", 0) > 0) return "its softmax is smoothed (smooth_softmax)";
  if (n.Int("qk_output", 0) > 0) return "it gives out its scores (qk_output)";
  if (n.Int("do_rotary", 0) != 0 && !(n.has(7) && n.has(8) && n.ShapeOf(7))) {
    return "its tables of rotary embeddings are no constants";
  }
  if (n.IsRead(1) || n.IsRead(2)) return "its keys and values are read by other nodes";
  return "";
}

// As with an empty past: whatever comes in as past keys and values is not read.
std::string GroupQueryAttention(FusedNode& n) {
  if (std::string reason = WhyNot(n); !reason.empty()) return reason;
  Emitter& emit = n.emit;
  const std::int64_t heads = n.Int("num_heads", 0);
  const std::int64_t kv_heads = n.Int("kv_num_heads", 0);
  if (heads <= 0 || kv_heads <= 0 || heads % kv_heads != 0) return "its heads are no whole groups";
  const std::string length = emit.DimensionOf(n.in(0), 1);
  std::string query = n.in(0);
  std::string key = n.in(1);
  if (n.Int("do_rotary", 0) != 0) {
    Rotary rotary{n.in(7), n.in(8), "", 2 * n.ShapeOf(7)->back(),
                  n.Int("rotary_interleaved", 0) != 0};
    rotary.positions =
        n.has(9) ? n.in(9)
                 : emit.Unsqueeze(emit.Make("Range", {emit.Int(0), length, emit.Int(1)}), 0);
    const auto turn = [&](const std::string& x, std::int64_t count) {
      const std::string apart = emit.Make("Reshape", {x, emit.Ints({0, 0, count, -1})});
      return Rotate(emit, apart, -1, false, rotary);
    };
    query = turn(query, heads);
    key = turn(key, kv_heads);
  }
  // [batch, kv_heads, heads of a group, sequence, D]
  const auto apart = [&](const std::string& x, std::int64_t group) {
    const std::string split = emit.Make("Reshape", {x, emit.Ints({0, 0, kv_heads, group, -1})});
    return emit.Make("Transpose", {split}, {{"perm", std::vector<std::int64_t>{0, 2, 3, 1, 4}}});
  };
  query = apart(query, heads / kv_heads);
  key = apart(key, 1);
  const std::string value = apart(n.in(2), 1);
  const std::string turned =
      emit.Make("Transpose", {key}, {{"perm", std::vector<std::int64_t>{0, 1, 2, 4, 3}}});
  std::string scores = emit.Make("MatMul", {query, turned});
  if (const float scale = n.Float("scale", 0); scale != 0) {
    scores = emit.Make("Mul", {scores, emit.Float(scale)});
  } else {
    const std::string size = emit.Make("Cast", {emit.DimensionOf(query, 4)},
                                       {{"to", std::int64_t{onnx::TensorProto::FLOAT}}});
    scores = emit.Make("Div", {scores, emit.Make("Sqrt", {size})});
  }
  if (const float cap = n.Float("softcap", 0); cap > 0) {
    const std::string bent = emit.Make("Tanh", {emit.Make("Div", {scores, emit.Float(cap)})});
    scores = emit.Make("Mul", {bent, emit.Float(cap)});
  }
  if (n.has(10)) {  // [batch or 1, heads or 1, sequence, sequence]
    const std::string bias = emit.Make("Expand", {n.in(10), emit.Ints({1, heads, 1, 1})});
    scores = emit.Make(
        "Add",
        {scores,
         emit.Make(
             "Reshape",
             {bias,
              emit.Make("Concat",
                        {emit.Make("Slice", {emit.ShapeOf(bias), emit.Ints({0}), emit.Ints({1})}),
                         emit.Ints({kv_heads, heads / kv_heads}),
                         emit.Make("Slice", {emit.ShapeOf(bias), emit.Ints({2}), emit.Ints({4})})},
                        {{"axis", std::int64_t{0}}})})});
  }
  scores = emit.Make("Where", {CausalMask(emit, length, n.Int("local_window_size", -1)), scores,
                               emit.Float(kMasked)});
  const std::string weights = emit.Make("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
  const std::string read = emit.Make("Transpose", {emit.Make("MatMul", {weights, value})},
                                     {{"perm", std::vector<std::int64_t>{0, 3, 1, 2, 4}}});
  emit.MakeAs(n.out(), "Reshape", {read, emit.Ints({0, 0, -1})});
  return "";
}

constexpr Expansion kRows[] = {{"com.microsoft::GroupQueryAttention", GroupQueryAttention}};

}  // namespace

absl::Span<const Expansion> AttentionExpansions() {
  return kRows;
}

}  // namespace onnxquant
