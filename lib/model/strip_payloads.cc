#include "lib/model/strip_payloads.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/model/wire_bounds.h"
#include "lib/model/wire_reader.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kSmallestStripped = 4096;

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
                   [this](const WireField& field) { return Graph(field); });
  }

 private:
  // A copy of [at, end) in which each field `number` is replaced by what `inner` makes of it.
  template <typename Inner>
  absl::StatusOr<std::string> Rewrite(std::size_t at, std::size_t end, int number, Inner inner) {
    std::string out;
    WireReader reader(file_, at, end);
    while (!reader.AtEnd()) {
      ONNXQUANT_ASSIGN_OR_RETURN(const WireField field, reader.Next());
      if (static_cast<int>(field.number) == number && field.wire == kLength) {
        ONNXQUANT_ASSIGN_OR_RETURN(const std::string content, inner(field));
        AppendMessage(field.number, content, out);
      } else {
        Copy(field, out);
      }
    }
    return out;
  }

  void Copy(const WireField& field, std::string& out) const {
    out.append(reinterpret_cast<const char*>(file_.data()) + field.start, field.end - field.start);
  }

  absl::StatusOr<std::string> Graph(const WireField& graph) {
    return Rewrite(graph.content, graph.end, onnx::GraphProto::kInitializerFieldNumber,
                   [this](const WireField& field) { return Tensor(field); });
  }

  absl::StatusOr<std::string> Tensor(const WireField& tensor) {
    std::string out;
    std::optional<WireField> payload;
    WireReader reader(file_, tensor.content, tensor.end);
    while (!reader.AtEnd()) {
      ONNXQUANT_ASSIGN_OR_RETURN(const WireField field, reader.Next());
      if (field.number == onnx::TensorProto::kRawDataFieldNumber && field.wire == kLength) {
        payload = field;  // of a field that stands twice the last one counts, as protobuf has it
      } else {
        Copy(field, out);
      }
    }
    if (!payload) return out;
    if (payload->end - payload->content < kSmallestStripped) {
      Copy(*payload, out);
      return out;
    }
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
  ONNXQUANT_RETURN_IF_ERROR(CheckWire(file));
  return Stripper(file).Model();
}

}  // namespace onnxquant
