#include "lib/model/strip_payloads.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kSmallestStripped = 4096;

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// One field of a message: where its tag starts, and for length-delimited ones its content.
struct Field {
  std::uint32_t number = 0;
  std::uint32_t wire = 0;
  std::size_t start = 0;
  std::size_t content = 0;
  std::size_t end = 0;
};

class WireReader {
 public:
  WireReader(absl::Span<const std::byte> file, std::size_t at, std::size_t end)
      : file_(file), at_(at), end_(end) {}

  bool AtEnd() const { return at_ == end_; }

  absl::StatusOr<Field> Next() {
    Field field;
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

 private:
  absl::Status Malformed() const {
    return ModelError("not a valid ONNX file: malformed data at byte ", at_, " of ", file_.size());
  }

  absl::StatusOr<std::uint64_t> Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return Malformed();
      const auto byte = static_cast<std::uint64_t>(file_[at_++]);
      value |= (byte & 0x7FU) << shift;
      if (byte < 0x80U) return value;
    }
    return Malformed();
  }

  absl::Span<const std::byte> file_;
  std::size_t at_;
  std::size_t end_;
};

void AppendVarint(std::uint64_t value, std::string& out) {
  while (value >= 0x80U) {
    out.push_back(static_cast<char>((value & 0x7FU) | 0x80U));
    value >>= 7U;
  }
  out.push_back(static_cast<char>(value));
}

void AppendMessage(std::uint32_t number, const std::string& content, std::string& out) {
  AppendVarint((number << 3U) | kLength, out);
  AppendVarint(content.size(), out);
  out += content;
}

class Stripper {
 public:
  explicit Stripper(absl::Span<const std::byte> file) : file_(file) {}

  absl::StatusOr<std::string> Model() {
    return Rewrite(0, file_.size(), onnx::ModelProto::kGraphFieldNumber,
                   [this](const Field& field) { return Graph(field); });
  }

 private:
  // A copy of [at, end) in which each field `number` is replaced by what `inner` makes of it.
  template <typename Inner>
  absl::StatusOr<std::string> Rewrite(std::size_t at, std::size_t end, int number, Inner inner) {
    std::string out;
    WireReader reader(file_, at, end);
    while (!reader.AtEnd()) {
      ONNXQUANT_ASSIGN_OR_RETURN(const Field field, reader.Next());
      if (static_cast<int>(field.number) == number && field.wire == kLength) {
        ONNXQUANT_ASSIGN_OR_RETURN(const std::string content, inner(field));
        AppendMessage(field.number, content, out);
      } else {
        out.append(reinterpret_cast<const char*>(file_.data()) + field.start,
                   field.end - field.start);
      }
    }
    return out;
  }

  absl::StatusOr<std::string> Graph(const Field& graph) {
    return Rewrite(graph.content, graph.end, onnx::GraphProto::kInitializerFieldNumber,
                   [this](const Field& field) { return Tensor(field); });
  }

  absl::StatusOr<std::string> Tensor(const Field& tensor) {
    std::string out;
    std::optional<Field> payload;
    WireReader reader(file_, tensor.content, tensor.end);
    while (!reader.AtEnd()) {
      ONNXQUANT_ASSIGN_OR_RETURN(const Field field, reader.Next());
      const bool raw = field.number == onnx::TensorProto::kRawDataFieldNumber &&
                       field.wire == kLength && field.end - field.content >= kSmallestStripped;
      if (raw) {
        payload = field;  // of a repeated field the last one counts, as protobuf has it
      } else {
        out.append(reinterpret_cast<const char*>(file_.data()) + field.start,
                   field.end - field.start);
      }
    }
    if (!payload) return out;
    onnx::TensorProto reference;
    const auto add = [&reference](const char* key, const std::string& value) {
      onnx::StringStringEntryProto* entry = reference.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", kInlineLocation);
    add("offset", absl::StrCat(payload->content));
    add("length", absl::StrCat(payload->end - payload->content));
    reference.set_data_location(onnx::TensorProto::EXTERNAL);
    return out + reference.SerializeAsString();  // concatenation merges messages
  }

  absl::Span<const std::byte> file_;
};

}  // namespace

absl::StatusOr<std::string> StripPayloads(absl::Span<const std::byte> file) {
  return Stripper(file).Model();
}

}  // namespace onnxquant
