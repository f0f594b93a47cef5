// One weight format as data: what is spelt, what it fits, what it stores, how, and what reads it.
// formats.h has the table. docs/formats.md is checked against it.
#ifndef ONNXQUANT_LIB_FORMATS_FORMAT_H_
#define ONNXQUANT_LIB_FORMATS_FORMAT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/formats/codec.h"
#include "lib/formats/node_sink.h"
#include "lib/formats/weight_format.h"
#include "lib/model/element_type.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

struct Format;

// One reading of a constant, as a format judges it.
struct WeightReading {
  const onnx::NodeProto* node = nullptr;  // that reads it
  std::string op;                         // "MatMul", "com.microsoft::QMoE"
  int input = 0;                          // the slot
  bool follows = true;                    // whether the slot takes any float type
  std::vector<std::int64_t> dims;         // of the constant
  bool transposed = false;                // the reader sees its two axes swapped
  bool in_body = false;                   // the reader stands in a body of If, Loop or Scan
  int other_rank = -1;  // of a product's other operand, or a Gather's indices; -1: not known
  ElementType compute = ElementType::kFloat;  // of the reader's arithmetic
  ElementType scale = ElementType::kFloat;    // of scales whose type the reader leaves open
};

// The form in which one constant is stored, decided.
struct Stored {
  const Format* form = nullptr;
  WeightFormat format;
  // The constant as a matrix [K,N] or, transposed, [N,K]. Blocks lie along K; channels are N.
  std::int64_t k = 0;
  std::int64_t n = 0;
  bool transposed = false;
  bool padded = true;  // each n's last block has room for a whole one
  ElementType scale = ElementType::kFloat;
  std::vector<std::int64_t> dims;  // of codes that have the constant's own shape
  int axis = -1;                   // of those: the axis of the blocks, or of the channels
  bool operator==(const Stored&) const = default;
};

// The form, or why there is none: a clause that follows "stays float32: ".
struct FormatFit {
  Stored stored;
  std::string reason;
  bool ok() const { return stored.form != nullptr; }
};

// An initializer of a stored form. Its name is the constant's, with the suffix.
struct StoredTensor {
  absl::string_view suffix;
  ElementType type = ElementType::kUint8;
  std::vector<std::int64_t> dims;
};

// Among a form's operators: every other one.
inline constexpr absl::string_view kAnyOperator = "any other operator";

// A word that policies say, and the parameters that it sets.
struct FormatWord {
  absl::string_view word;
  int bits = 0;
  bool is_signed = false;
  // What holds when nothing is said.
  bool symmetric = true;
  bool per_channel = false;
  std::int64_t block = 32;
  int opset = 0;  // where it needs a higher one than its form does
};

// Parameters that stand beside the word in a policy.
enum class Parameter { kBlock, kSymmetric, kSource, kPerChannel, kReduceRange };

struct Format {
  absl::string_view name;
  absl::Span<const FormatWord> words;
  absl::Span<const Parameter> parameters;
  // Operators that may read it, as messages list them.
  absl::Span<const absl::string_view> operators;
  // Chosen only where a rule says so, never by an output's default.
  bool by_rule = false;
  bool accuracy_level = false;  // its reader has the attribute
  bool takes_method = false;    // its codec asks CodecContext::choice how codes are chosen
  // Readers keep their operator and their other inputs, which may be codes too.
  bool in_place = false;
  // Inputs of a reader that are all stored so, and alike, or none is.
  absl::Span<const int> together = {};
  // The lowest opset of ONNX's own domain that has what reads it; sums broadcast from 7 on.
  int opset = 7;
  FormatFit (*fits)(const Format& form, const WeightFormat& format,
                    const WeightReading& reading) = nullptr;
  std::vector<StoredTensor> (*tensors)(const Stored& stored) = nullptr;
  std::unique_ptr<Codec> (*codec)(const Stored& stored, const CodecContext& context) = nullptr;
  // Makes `node`, whose other inputs are converted already, read the tensors of these names in
  // place of its input number `input`. What is added to the sink comes before `node`.
  void (*read)(const Stored& stored, absl::Span<const std::string> names, int input,
               onnx::NodeProto& node, NodeSink& sink) = nullptr;
  // Equal texts: equal bytes in every tensor, whatever their dims; null or "": never.
  std::string (*codes)(const Stored& stored) = nullptr;
  // A channel's codes stand together, whichever way the constant's matrix lies.
  bool by_channel = false;
  absl::string_view runs;   // where, in words
  absl::string_view about;  // a line for the documentation
};

// The bytes of all tensors.
std::uint64_t BytesOf(const Stored& stored);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_FORMAT_H_
