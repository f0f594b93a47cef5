// Protobuf's wire format, field by field: where things lie in a file, which a parsed message does
// not tell.
#ifndef ONNXQUANT_LIB_MODEL_WIRE_READER_H_
#define ONNXQUANT_LIB_MODEL_WIRE_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// One field of a message: where its tag starts, and for length-delimited ones its content.
struct WireField {
  std::uint32_t number = 0;
  std::uint32_t wire = 0;
  std::size_t start = 0;
  std::size_t content = 0;
  std::size_t end = 0;
};

// The fields of the message in bytes [at, end) of `file`, which must outlive it.
class WireReader {
 public:
  WireReader(absl::Span<const std::byte> file, std::size_t at, std::size_t end)
      : file_(file), at_(at), end_(end) {}

  bool AtEnd() const { return at_ == end_; }

  // Error (kModel): malformed data, said with its place in the file.
  absl::StatusOr<WireField> Next();

 private:
  absl::Status Malformed() const;
  absl::StatusOr<std::uint64_t> Varint();

  absl::Span<const std::byte> file_;
  std::size_t at_;
  std::size_t end_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_WIRE_READER_H_
