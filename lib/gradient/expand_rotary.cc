#include <limits>

#include "lib/gradient/expand.h"
#include "lib/gradient/expand_attention.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

std::string Piece(Emitter& emit, const std::string& x, std::int64_t from, std::int64_t to,
                  std::int64_t step) {
  return emit.Make("Slice",
                   {x, emit.Ints({from}), emit.Ints({to}), emit.Ints({-1}), emit.Ints({step})});
}

std::string Join(Emitter& emit, const std::string& a, const std::string& b) {
  return emit.Make("Concat", {a, b}, {{"axis", std::int64_t{-1}}});
}

std::string RotaryEmbedding(FusedNode& n) {
  Emitter& emit = n.emit;
  const auto table = n.ShapeOf(2);
  if (!table || table->size() != 2) return "its table of cosines is no constant matrix";
  const int rank = n.Rank(0);
  const int position_rank = n.Rank(1);
  const std::int64_t dim = n.Int("rotary_embedding_dim", 0);
  const std::int64_t heads = n.Int("num_heads", 0);
  Rotary rotary{n.in(2), n.in(3), n.in(1), 2 * table->back(), n.Int("interleaved", 0) != 0};
  if (dim != 0 && heads == 0)
    return "it turns a part of each head, and does not say how many heads";
  if (rank != 3 && rank != 4) return "how many dimensions its input has is not known";
  if (n.Int("is_packed_batching", 0) != 0) return "its sequences are packed";
  if (rank == 4 && dim != 0) return "it turns a part of each head of an input of four dimensions";
  if (position_rank == 1) {
    // The first position, from which those of the sequence count.
    const std::string length = emit.DimensionOf(n.in(0), rank == 4 ? 2 : 1);
    const std::string range = emit.Make("Range", {emit.Int(0), length, emit.Int(1)});
    rotary.positions = emit.Make("Add", {emit.Unsqueeze(range, 0), n.in(1)});
  }
  if (rank == 4) {
    emit.MakeAs(n.out(), "Identity", {Rotate(emit, n.in(0), rotary.rotated, true, rotary)});
    return "";
  }
  const std::string split =
      heads > 0 ? emit.Ints({0, 0, heads, -1}) : emit.Ints({0, 0, -1, rotary.rotated});
  const std::string x = emit.Make("Reshape", {n.in(0), split});
  const std::string y = Rotate(emit, x, dim == 0 ? rotary.rotated : kEnd, false, rotary);
  emit.MakeAs(n.out(), "Reshape", {y, emit.ShapeOf(n.in(0))});
  return "";
}

constexpr Expansion kRows[] = {{"com.microsoft::RotaryEmbedding", RotaryEmbedding}};

}  // namespace

std::string Rotate(Emitter& emit, const std::string& heads, std::int64_t size, bool heads_first,
                   const Rotary& rotary) {
  const std::int64_t axis = heads_first ? 1 : 2;
  const std::string cosines =
      emit.Unsqueeze(emit.Make("Gather", {rotary.cosines, rotary.positions}), axis);
  const std::string sines =
      emit.Unsqueeze(emit.Make("Gather", {rotary.sines, rotary.positions}), axis);
  const std::int64_t end = rotary.rotated;
  const bool pairs = rotary.interleaved;
  const std::string a = pairs ? Piece(emit, heads, 0, end, 2) : Piece(emit, heads, 0, end / 2, 1);
  const std::string b = pairs ? Piece(emit, heads, 1, end, 2) : Piece(emit, heads, end / 2, end, 1);
  const std::string first =
      emit.Make("Sub", {emit.Make("Mul", {a, cosines}), emit.Make("Mul", {b, sines})});
  const std::string second =
      emit.Make("Add", {emit.Make("Mul", {b, cosines}), emit.Make("Mul", {a, sines})});
  std::string turned;
  if (pairs) {
    const std::string both = Join(emit, emit.Unsqueeze(first, -1), emit.Unsqueeze(second, -1));
    turned = emit.Make("Reshape", {both, emit.Ints({0, 0, 0, end})});
  } else {
    turned = Join(emit, first, second);
  }
  return size == end ? turned : Join(emit, turned, Piece(emit, heads, end, kEnd, 1));
}

absl::Span<const Expansion> RotaryExpansions() {
  return kRows;
}

}  // namespace onnxquant
