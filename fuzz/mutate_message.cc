#include "fuzz/mutate_message.h"

#include <limits>

namespace onnxquant::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::int64_t AnyInteger(Random& random) {
  static const std::vector<std::int64_t> kEdges = {-1,
                                                   0,
                                                   1,
                                                   2,
                                                   7,
                                                   16,
                                                   32,
                                                   255,
                                                   256,
                                                   65'536,
                                                   std::numeric_limits<std::int32_t>::max(),
                                                   std::numeric_limits<std::int32_t>::min(),
                                                   std::int64_t{1} << 40U,
                                                   std::numeric_limits<std::int64_t>::max(),
                                                   std::numeric_limits<std::int64_t>::min()};
  if (Below(random, 2) == 0) return OneOf(random, kEdges);
  return static_cast<std::int64_t>(Below(random, 24)) - 2;
}

double AnyReal(Random& random) {
  static const std::vector<double> kEdges = {0.0,
                                             -0.0,
                                             1.0,
                                             1e-8,
                                             65'504.0,
                                             65'520.0,
                                             1e38,
                                             -1e38,
                                             1e300,
                                             1e-40,
                                             std::numeric_limits<double>::infinity(),
                                             std::numeric_limits<double>::quiet_NaN()};
  return OneOf(random, kEdges);
}

std::string AnyText(const std::vector<std::string>& words, Random& random) {
  switch (Below(random, 12)) {
    case 0:
      return "";
    case 1:
      return std::string(1 + Below(random, 300), '\xff');
    case 2:
      return std::string("a\0/../b", 7);
    default:
      return words.empty() ? "x" : OneOf(random, words);
  }
}

// Sets a field that is no list, or adds to one that is.
class Writer {
 public:
  Writer(Message& message, const FieldDescriptor& field)
      : message_(message), reflection_(*message.GetReflection()), field_(field) {}

  void Write(const std::vector<std::string>& words, Random& random) {
    const bool list = field_.is_repeated();
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32: {
        const auto value = static_cast<std::int32_t>(AnyInteger(random));
        list ? reflection_.AddInt32(&message_, &field_, value)
             : reflection_.SetInt32(&message_, &field_, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        const std::int64_t value = AnyInteger(random);
        list ? reflection_.AddInt64(&message_, &field_, value)
             : reflection_.SetInt64(&message_, &field_, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        const auto value = static_cast<std::uint64_t>(AnyInteger(random));
        list ? reflection_.AddUInt64(&message_, &field_, value)
             : reflection_.SetUInt64(&message_, &field_, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_FLOAT: {
        const auto value = static_cast<float>(AnyReal(random));
        list ? reflection_.AddFloat(&message_, &field_, value)
             : reflection_.SetFloat(&message_, &field_, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        const double value = AnyReal(random);
        list ? reflection_.AddDouble(&message_, &field_, value)
             : reflection_.SetDouble(&message_, &field_, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto& type = *field_.enum_type();
        const int value = type.value(static_cast<int>(Below(
                                         random, static_cast<std::size_t>(type.value_count()))))
                              ->number();
        list ? reflection_.AddEnumValue(&message_, &field_, value)
             : reflection_.SetEnumValue(&message_, &field_, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string value = AnyText(words, random);
        list ? reflection_.AddString(&message_, &field_, std::move(value))
             : reflection_.SetString(&message_, &field_, std::move(value));
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        list ? reflection_.AddMessage(&message_, &field_)
             : reflection_.MutableMessage(&message_, &field_);
        return;
      default:  // onnx.proto has no others
        return;
    }
  }

 private:
  Message& message_;
  const Reflection& reflection_;
  const FieldDescriptor& field_;
};

void RemoveElement(Message& message, const FieldDescriptor& field, std::size_t at) {
  const Reflection& reflection = *message.GetReflection();
  // Order is kept: it means something in inputs and nodes.
  for (int i = static_cast<int>(at); i + 1 < reflection.FieldSize(message, &field); ++i) {
    reflection.SwapElements(&message, &field, i, i + 1);
  }
  reflection.RemoveLast(&message, &field);
}

// Another message of the same kind, or null; a copy, since it may hold `target`.
void CopyFromLike(Message& target, Message& root, const Message* donor, Random& random) {
  std::vector<const Message*> like;
  const auto gather = [&](Message& from) {
    for (const Message* message : MessagesIn(from)) {
      const bool same = message->GetDescriptor() == target.GetDescriptor();
      if (same && message != &target) like.push_back(message);
    }
  };
  gather(root);
  // Only read: MessagesIn has one form, for messages that may change.
  if (donor != nullptr) gather(const_cast<Message&>(*donor));
  if (like.empty()) return;
  const Message& chosen = *OneOf(random, like);
  if (chosen.ByteSizeLong() > 1 << 16) return;
  Message* copy = chosen.New();
  copy->CopyFrom(chosen);
  target.GetReflection()->Swap(&target, copy);
  delete copy;  // NOLINT(cppcoreguidelines-owning-memory): protobuf's New()
}

}  // namespace

std::size_t Below(Random& random, std::size_t bound) {
  return bound == 0 ? 0 : static_cast<std::size_t>(random()) % bound;
}

std::vector<Message*> MessagesIn(Message& root, std::size_t most) {
  std::vector<Message*> found = {&root};
  for (std::size_t at = 0; at < found.size() && found.size() < most; ++at) {
    Message& message = *found[at];
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        found.push_back(reflection.MutableMessage(&message, field));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        found.push_back(reflection.MutableRepeatedMessage(&message, field, i));
      }
    }
  }
  return found;
}

void MutateMessage(Message& root, const Message* donor, const std::vector<std::string>& words,
                   Random& random) {
  Message& message = *OneOf(random, MessagesIn(root));
  const Descriptor& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  const std::size_t way = Below(random, 8);
  if (way == 0) return CopyFromLike(message, root, donor, random);
  const FieldDescriptor& field =
      *type.field(static_cast<int>(Below(random, static_cast<std::size_t>(type.field_count()))));
  if (!field.is_repeated()) {
    if (way == 1) return reflection.ClearField(&message, &field);
    return Writer(message, field).Write(words, random);
  }
  const auto size = static_cast<std::size_t>(reflection.FieldSize(message, &field));
  if (way == 1 && size > 0) return RemoveElement(message, field, Below(random, size));
  if (way == 2 && size > 1) {
    return reflection.SwapElements(&message, &field, static_cast<int>(Below(random, size)),
                                   static_cast<int>(Below(random, size)));
  }
  if (size < 64) Writer(message, field).Write(words, random);
}

}  // namespace onnxquant::fuzz
