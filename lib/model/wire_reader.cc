#include "lib/model/wire_reader.h"

#include "lib/base/error.h"

namespace onnxquant {

absl::StatusOr<WireField> WireReader::Next() {
  WireField field;
  field.start = at_;
  ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t tag, Varint());
  field.number = static_cast<std::uint32_t>(tag >> 3U);
  field.wire = static_cast<std::uint32_t>(tag & 7U);
  std::uint64_t length = 0;
  switch (field.wire) {
    case kVarint: {
      ONNXQUANT_RETURN_IF_ERROR(Varint().status());
      break;
    }
    case kFixed64:
      length = 8;
      break;
    case kFixed32:
      length = 4;
      break;
    case kLength: {
      ONNXQUANT_ASSIGN_OR_RETURN(length, Varint());
      break;
    }
    default:
      return Malformed();
  }
  if (field.number == 0 || length > end_ - at_) return Malformed();
  field.content = at_;
  at_ += static_cast<std::size_t>(length);
  field.end = at_;
  return field;
}

absl::Status WireReader::Malformed() const {
  return ModelError("not a valid ONNX file: malformed data at byte ", at_, " of ", file_.size());
}

absl::StatusOr<std::uint64_t> WireReader::Varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == end_) return Malformed();
    const auto byte = static_cast<std::uint64_t>(file_[at_++]);
    value |= (byte & 0x7FU) << shift;
    if (byte < 0x80U) return value;
  }
  return Malformed();
}

}  // namespace onnxquant
