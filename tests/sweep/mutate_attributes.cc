#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sweep/mutations.h"

namespace onnxquant {
namespace {

using onnx::AttributeProto;

constexpr std::int64_t kHuge = std::int64_t{1} << 62;
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr int kLong = 100;

class AttributeMutator {
 public:
  AttributeMutator(const onnx::ModelProto& sound, const onnx::OpSchema::Attribute& attribute,
                   const TakeCase& take)
      : sound_(sound), attribute_(attribute), take_(take) {}

  void Run() {
    Take("as it should be", Sound());
    MutateKinds();
    switch (attribute_.type) {
      case AttributeProto::INT:
        MutateInteger();
        break;
      case AttributeProto::INTS:
        MutateIntegers();
        break;
      case AttributeProto::GRAPH:
        MutateBody();
        break;
      case AttributeProto::TENSOR:
        MutateTensor();
        break;
      case AttributeProto::FLOATS:
        MutateFloats();
        break;
      case AttributeProto::STRING:
        MutateText();
        break;
      default:
        break;
    }
  }

 private:
  AttributeProto Sound() const {
    return SoundAttribute(sound_.graph().node(0).op_type(), attribute_);
  }

  onnx::ModelProto Without() const {
    onnx::ModelProto model = sound_;
    auto& attributes = *model.mutable_graph()->mutable_node(0)->mutable_attribute();
    for (int i = 0; i < attributes.size(); ++i) {
      if (attributes.Get(i).name() == attribute_.name) attributes.DeleteSubrange(i--, 1);
    }
    return model;
  }

  void Take(const std::string& what, const AttributeProto& attribute) {
    onnx::ModelProto model = Without();
    *model.mutable_graph()->mutable_node(0)->add_attribute() = attribute;
    take_(absl::StrCat("attribute '", attribute_.name, "' ", what), model);
  }

  // Every type with its own field, with no field, and with the field of another.
  void MutateKinds() {
    take_(absl::StrCat("attribute '", attribute_.name, "' missing"), Without());
    for (int kind = 0; kind <= AttributeProto::AttributeType_MAX; ++kind) {
      if (!AttributeProto::AttributeType_IsValid(kind)) continue;
      const auto type = static_cast<AttributeProto::AttributeType>(kind);
      onnx::OpSchema::Attribute other(attribute_.name, "", type, false);
      const AttributeProto whole = SoundAttribute(sound_.graph().node(0).op_type(), other);
      const std::string& name = AttributeProto::AttributeType_Name(type);
      Take(absl::StrCat("of type ", name), whole);
      AttributeProto empty;
      empty.set_name(attribute_.name);
      empty.set_type(type);
      Take(absl::StrCat("of type ", name, " without a field"), empty);
      AttributeProto changed = whole;
      changed.set_type(attribute_.type);
      Take(absl::StrCat("with the field of ", name), changed);
      changed = Sound();
      changed.set_type(type);
      Take(absl::StrCat("called ", name), changed);
    }
    AttributeProto twice = Sound();
    onnx::ModelProto model = Without();
    *model.mutable_graph()->mutable_node(0)->add_attribute() = twice;
    *model.mutable_graph()->mutable_node(0)->add_attribute() = twice;
    take_(absl::StrCat("attribute '", attribute_.name, "' twice"), model);
    AttributeProto referring;
    referring.set_name(attribute_.name);
    referring.set_type(attribute_.type);
    referring.set_ref_attr_name("of_a_function");
    Take("referring to a function's", referring);
  }

  void MutateInteger() {
    for (const std::int64_t value :
         {std::int64_t{0}, std::int64_t{-1}, std::int64_t{3}, std::int64_t{9}, std::int64_t{-9},
          std::int64_t{1000}, std::int64_t{1} << 31, std::int64_t{1} << 33, kHuge, kLeast}) {
      AttributeProto made = Sound();
      made.set_i(value);
      Take(absl::StrCat("= ", value), made);
    }
  }

  void MutateIntegers() {
    const std::vector<std::vector<std::int64_t>> lists = {{},
                                                          {0},
                                                          {-1, -1},
                                                          {0, 0},
                                                          {3, 3},
                                                          {9, 9},
                                                          {kHuge, kHuge},
                                                          {kLeast, kLeast},
                                                          {1, 1, 1, 1},
                                                          {-9, -9, -9, -9},
                                                          {0, 1, 2, 3},
                                                          {3, 2, 1, 0},
                                                          {0, 0, kHuge, 1, kHuge, 1, 1, 1},
                                                          std::vector<std::int64_t>(kLong, 1)};
    for (const auto& list : lists) {
      AttributeProto made = Sound();
      made.clear_ints();
      for (const std::int64_t value : list) made.add_ints(value);
      Take(absl::StrCat("of ", list.size(), " integers ", list.empty() ? 0 : list.front()), made);
    }
  }

  void MutateFloats() {
    AttributeProto made = Sound();
    made.clear_floats();
    Take("of no floats", made);
    for (int i = 0; i < kLong; ++i) made.add_floats(std::numeric_limits<float>::infinity());
    Take("of many infinite floats", made);
    made.clear_floats();
    made.add_floats(-1);
    made.add_floats(std::numeric_limits<float>::quiet_NaN());
    Take("of NaN", made);
  }

  void MutateText() {
    for (const std::string text : {"", "...", "ij,jk->ik", "->", ",,,,", "NOTSET", "SAME_UPPER",
                                   "VALID", "bidirectional", "\xff\xfe"}) {
      AttributeProto made = Sound();
      made.set_s(text);
      Take(absl::StrCat("= '", text, "'"), made);
    }
    AttributeProto made = Sound();
    made.set_s(std::string(100000, 'a'));
    Take("of 100000 letters", made);
  }

  void MutateBody() {
    AttributeProto made = Sound();
    made.mutable_g()->Clear();
    Take("an empty body", made);
    made = Sound();
    made.mutable_g()->clear_output();
    Take("a body without outputs", made);
    made = Sound();
    made.mutable_g()->clear_input();
    Take("a body without inputs", made);
    made = Sound();
    made.mutable_g()->clear_node();
    Take("a body without nodes", made);
    for (int more = 1; more <= 3; ++more) {
      made = Sound();
      for (int i = 0; i < more; ++i) {
        *made.mutable_g()->add_input() = sound_.graph().input(0);
        made.mutable_g()
            ->mutable_input(made.g().input_size() - 1)
            ->set_name(absl::StrCat("more_in", i));
      }
      Take(absl::StrCat("a body of ", more, " more inputs"), made);
      made = Sound();
      for (int i = 0; i < more; ++i) {
        *made.mutable_g()->add_output() = made.g().output(made.g().output_size() - 1);
      }
      Take(absl::StrCat("a body of ", more, " more outputs"), made);
    }
    made = Sound();
    for (auto* list : {made.mutable_g()->mutable_input(), made.mutable_g()->mutable_output()}) {
      for (onnx::ValueInfoProto& info : *list) info.clear_type();
    }
    Take("a body without types", made);
    for (const char* text : {"tensor(string)", "seq(tensor(float))", "optional(tensor(float))"}) {
      made = Sound();
      for (auto* list : {made.mutable_g()->mutable_input(), made.mutable_g()->mutable_output()}) {
        for (onnx::ValueInfoProto& info : *list) *info.mutable_type() = TypeOf(text);
      }
      Take(absl::StrCat("a body of ", text), made);
    }
  }

  void MutateTensor() {
    AttributeProto made = Sound();
    for (const std::vector<std::int64_t>& list :
         {std::vector<std::int64_t>{}, {1, 2}, {kHuge}, {kLeast, -1}}) {
      *made.mutable_t() = Integers(list);
      Take(absl::StrCat("a tensor of ", list.size(), " numbers"), made);
    }
    *made.mutable_t() = Integers({1});
    made.mutable_t()->clear_dims();
    Take("a scalar", made);
    for (const int type : {0, 1, 8, 10, 16, 21, 77}) {
      made.mutable_t()->set_data_type(type);
      Take(absl::StrCat("a tensor of type ", type), made);
    }
    made.mutable_t()->Clear();
    Take("an empty tensor", made);
  }

  const onnx::ModelProto& sound_;
  const onnx::OpSchema::Attribute& attribute_;
  const TakeCase& take_;
};

}  // namespace

void MutateAttributes(const onnx::OpSchema& schema, const onnx::ModelProto& sound, Breadth breadth,
                      const TakeCase& take) {
  onnx::ModelProto model = sound;
  model.mutable_graph()->mutable_node(0)->clear_attribute();
  take("no attributes", model);
  model = sound;
  AttributeProto& extra = *model.mutable_graph()->mutable_node(0)->add_attribute();
  extra.set_name("no_such_attribute");
  extra.set_type(AttributeProto::INT);
  take("an attribute that the operator does not have", model);
  std::vector<const onnx::OpSchema::Attribute*> attributes;
  for (const auto& [name, attribute] : schema.attributes()) attributes.push_back(&attribute);
  // Required ones first: they are what operators cannot do without.
  std::sort(attributes.begin(), attributes.end(), [](const auto* a, const auto* b) {
    return std::pair(!a->required, a->name) < std::pair(!b->required, b->name);
  });
  for (const auto* attribute : attributes) {
    AttributeMutator(sound, *attribute, take).Run();
    if (breadth == Breadth::kOne) break;
  }
}

}  // namespace onnxquant
