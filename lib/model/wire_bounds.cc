#include "lib/model/wire_bounds.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/model/wire_reader.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// What an element takes in memory beyond its bytes in the file, roughly.
constexpr std::uint64_t kMessageBytes = 200;
constexpr std::uint64_t kStringBytes = 48;

// What protobuf makes of one kind of message.
struct Shape {
  enum class Kind : std::uint8_t { kPlain, kString, kIntegers, kMessage };
  struct Field {
    Kind kind = Kind::kPlain;
    const Shape* message = nullptr;
  };
  std::vector<Field> fields;  // by number
};

class Shapes {
 public:
  const Shape* Of(const Descriptor* descriptor) {
    std::unique_ptr<Shape>& shape = shapes_[descriptor];
    if (shape != nullptr) return shape.get();
    shape = std::make_unique<Shape>();
    Shape* const made = shape.get();  // a reference to the entry may not last
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      const auto number = static_cast<std::size_t>(field->number());
      if (number > kLargestNumber) continue;
      made->fields.resize(std::max(made->fields.size(), number + 1));
      Shape::Field entry;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        entry = {Shape::Kind::kMessage, Of(field->message_type())};
      } else if (field->type() == FieldDescriptor::TYPE_STRING ||
                 field->type() == FieldDescriptor::TYPE_BYTES) {
        entry.kind = Shape::Kind::kString;
      } else if (field->is_packable() && field->cpp_type() != FieldDescriptor::CPPTYPE_FLOAT &&
                 field->cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) {
        entry.kind = Shape::Kind::kIntegers;
      }
      made->fields[number] = entry;
    }
    return made;
  }

 private:
  static constexpr std::size_t kLargestNumber = 100;
  absl::flat_hash_map<const Descriptor*, std::unique_ptr<Shape>> shapes_;
};

// A message that is being looked through.
struct Open {
  WireReader reader;
  const Shape* shape = nullptr;
};

// Payloads stay in the file's mapping, or take as much memory as there.
std::uint64_t BytesOf(const Shape::Field& field, const WireField& wire) {
  const std::uint64_t length = wire.wire == kLength ? wire.end - wire.content : 1;
  switch (field.kind) {
    case Shape::Kind::kMessage:
      return kMessageBytes;
    case Shape::Kind::kString:
      return kStringBytes;
    case Shape::Kind::kIntegers:
      return length * sizeof(std::int64_t);
    case Shape::Kind::kPlain:
      break;
  }
  return 0;
}

}  // namespace

absl::Status CheckWire(absl::Span<const std::byte> file) {
  Shapes shapes;
  const Shape::Field unknown;
  std::uint64_t bytes = 0;
  std::vector<Open> open = {
      {WireReader(file, 0, file.size()), shapes.Of(onnx::ModelProto::descriptor())}};
  while (!open.empty()) {
    if (open.back().reader.AtEnd()) {
      open.pop_back();
      continue;
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const WireField wire, open.back().reader.Next());
    const std::vector<Shape::Field>& fields = open.back().shape->fields;
    const Shape::Field& field = wire.number < fields.size() ? fields[wire.number] : unknown;
    bytes += BytesOf(field, wire);
    if (bytes > limits::kParsedBytes) {
      return ModelError("the structure up to byte ", wire.start, " of ", file.size(),
                        " takes more than ", limits::kParsedBytes,
                        " bytes of memory without its weights, which no real model does");
    }
    if (field.kind != Shape::Kind::kMessage || wire.wire != kLength) continue;
    if (open.size() > static_cast<std::size_t>(limits::kNestedMessages)) {
      return ModelError("graphs or types are nested more than ", limits::kNestedMessages,
                        " messages deep at byte ", wire.start, " of ", file.size(),
                        "; nothing that reads ONNX goes deeper: export the model again with fewer "
                        "subgraphs inside one another");
    }
    open.push_back({WireReader(file, wire.content, wire.end), field.message});
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
