// What the bytes of an .onnx file are for.
#ifndef ONNXQUANT_LIB_INSPECT_GRAPH_BYTES_H_
#define ONNXQUANT_LIB_INSPECT_GRAPH_BYTES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/model/model.h"

namespace onnxquant {

enum class GraphPart {
  kOperators,  // nodes without what follows: op_type, domain, framing
  kNodeNames,
  kValueNames,  // what nodes read and make
  kAttributes,  // those of Constant nodes and of bodies' owners too
  kValueInfo,
  kInterface,  // inputs and outputs of the graph: names, types, shapes
  kPayloads,   // elements of initializers that stand in the file itself
  kHeaders,    // initializers without their elements: name, type, shape, place in external data
  kMetadata,   // documentation, producer, metadata
  kOther,
};
inline constexpr std::size_t kGraphParts = 10;

// One table, which JSON and text iterate.
struct GraphPartName {
  GraphPart part;
  const char* name;     // in JSON: "value_names"
  const char* meaning;  // "names of values"
};
absl::Span<const GraphPartName> GraphPartNames();

struct GraphBytes {
  std::uint64_t total = 0;                          // the file's size, and the sum of `bytes`
  std::array<std::uint64_t, kGraphParts> bytes{};   // by GraphPart
  std::array<std::uint64_t, kGraphParts> counts{};  // nodes, names, …; 0 of kMetadata and kOther

  std::uint64_t Of(GraphPart part) const { return bytes[static_cast<std::size_t>(part)]; }
  std::uint64_t CountOf(GraphPart part) const { return counts[static_cast<std::size_t>(part)]; }
};

// Every byte of the serialized model counts once: a tag and a length belong to what they introduce.
// Nodes of bodies and of functions count as those of the main graph. Error (kModel): malformed
// data.
absl::StatusOr<GraphBytes> MeasureGraphBytes(absl::Span<const std::byte> file);

// Of a model that was parsed elsewhere: the bytes that it would be written as. Payloads that a
// caller holds in memory are no part of it.
absl::StatusOr<GraphBytes> MeasureGraphBytes(const Model& model);

// "B's .onnx file is 309,012 bytes larger (A: 193,900, B: 502,912): 120,000 more for attributes …",
// the largest first, parts below a twentieth left out; "" for files of one size.
std::string GraphBytesWords(const GraphBytes& first, const GraphBytes& second);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_INSPECT_GRAPH_BYTES_H_
