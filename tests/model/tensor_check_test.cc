#include "lib/model/tensor_check.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/model/element_type.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Every field that may hold elements but those of strings and raw ones.
enum class Field { kFloat, kInt32, kInt64, kDouble, kUint64 };
constexpr Field kFields[] = {Field::kFloat, Field::kInt32, Field::kInt64, Field::kDouble,
                             Field::kUint64};

void Add(onnx::TensorProto& tensor, Field field) {
  if (field == Field::kFloat) tensor.add_float_data(1);
  if (field == Field::kInt32) tensor.add_int32_data(1);
  if (field == Field::kInt64) tensor.add_int64_data(1);
  if (field == Field::kDouble) tensor.add_double_data(1);
  if (field == Field::kUint64) tensor.add_uint64_data(1);
}

// What onnx.proto says beside each field.
bool Holds(Field field, ElementType type) {
  switch (type) {
    case ElementType::kFloat:
    case ElementType::kComplex64:
      return field == Field::kFloat;
    case ElementType::kDouble:
    case ElementType::kComplex128:
      return field == Field::kDouble;
    case ElementType::kInt64:
      return field == Field::kInt64;
    case ElementType::kUint32:
    case ElementType::kUint64:
      return field == Field::kUint64;
    default:
      return field == Field::kInt32;
  }
}

std::string Message(const onnx::TensorProto& tensor) {
  return std::string(CheckTensor(tensor).status().message());
}

// An element may take several entries, and an entry hold several elements.
TEST(TensorCheck, TakesOfEachTypeTheOneFieldThatItBelongsIn) {
  for (int number = 1; number <= static_cast<int>(ElementType::kFloat6E3M2); ++number) {
    const auto type = static_cast<ElementType>(number);
    if (type == ElementType::kString) continue;
    for (const Field field : kFields) {
      bool taken = false;
      for (int elements = 1; elements <= 8 && !taken; ++elements) {
        for (int entries = 1; entries <= 8 && !taken; ++entries) {
          onnx::TensorProto tensor;
          tensor.set_data_type(number);
          tensor.add_dims(elements);
          for (int i = 0; i < entries; ++i) Add(tensor, field);
          const auto bytes = CheckTensor(tensor);
          taken = bytes.ok();
          if (!taken) continue;
          EXPECT_THAT(RawFromTypedFields(tensor), SizeIs(*bytes)) << NameOf(type);
        }
      }
      EXPECT_EQ(taken, Holds(field, type)) << NameOf(type) << " " << static_cast<int>(field);
    }
  }
}

TEST(TensorCheck, NamesTheFieldThatItExpects) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::DOUBLE);
  tensor.add_dims(1);
  tensor.add_int64_data(1);
  EXPECT_THAT(Message(tensor), HasSubstr("its data stands in int64_data; that of float64 belongs "
                                         "in double_data or raw_data"));
}

TEST(TensorCheck, RefusesRawDataThatIsThereAndEmptyBesideAnotherField) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(1);
  tensor.add_float_data(1);
  tensor.set_raw_data("");
  EXPECT_THAT(Message(tensor), HasSubstr("more than one field"));
}

TEST(TensorCheck, TakesAnEmptyTensorWithAndWithoutRawData) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(0);
  EXPECT_TRUE(CheckTensor(tensor).ok());
  tensor.set_raw_data("");
  EXPECT_TRUE(CheckTensor(tensor).ok());
}

onnx::TensorProto Words(std::initializer_list<const char*> words) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::STRING);
  tensor.add_dims(2);
  for (const char* word : words) tensor.add_string_data(word);
  return tensor;
}

TEST(TensorCheck, RefusesEntriesOfMoreBitsThanTheirElements) {
  onnx::TensorProto halves;
  halves.set_data_type(onnx::TensorProto::FLOAT16);
  halves.add_dims(2);
  halves.add_int32_data(65535);
  halves.add_int32_data(70000);
  EXPECT_THAT(std::string(CheckTensor(halves).status().message()),
              HasSubstr("its int32_data has 70000 at 1; float16 has 16 bits there"));
  halves.set_int32_data(1, -32768);
  EXPECT_TRUE(CheckTensor(halves).ok());
  halves.set_int32_data(1, -32769);
  EXPECT_FALSE(CheckTensor(halves).ok());

  onnx::TensorProto integers;
  integers.set_data_type(onnx::TensorProto::UINT32);
  integers.add_dims(1);
  integers.add_uint64_data(std::uint64_t{1} << 32U);
  EXPECT_FALSE(CheckTensor(integers).ok());
  integers.set_uint64_data(0, ~std::uint64_t{0});
  EXPECT_FALSE(CheckTensor(integers).ok());
  integers.set_uint64_data(0, 0xFFFFFFFFU);
  EXPECT_TRUE(CheckTensor(integers).ok());
  integers.set_data_type(onnx::TensorProto::UINT64);
  integers.set_uint64_data(0, ~std::uint64_t{0});
  EXPECT_TRUE(CheckTensor(integers).ok());
}

TEST(TensorCheck, CountsStrings) {
  EXPECT_EQ(*CheckTensor(Words({"a", ""})), 0U);
  EXPECT_THAT(std::string(CheckTensor(Words({"a"})).status().message()),
              testing::HasSubstr("asks for 2 strings, but it holds 1"));
}

TEST(TensorCheck, RefusesStringsInAFieldOfNumbersAndInFiles) {
  onnx::TensorProto numbers = Words({});
  numbers.add_float_data(1);
  numbers.add_float_data(2);
  EXPECT_THAT(std::string(CheckTensor(numbers).status().message()),
              testing::HasSubstr("stands in float_data; strings belong in string_data"));
  onnx::TensorProto both = Words({"a", "b"});
  both.set_raw_data("ab");
  EXPECT_THAT(std::string(CheckTensor(both).status().message()),
              testing::HasSubstr("more than one field"));
  onnx::TensorProto outside = Words({});
  outside.set_data_location(onnx::TensorProto::EXTERNAL);
  EXPECT_THAT(std::string(CheckTensor(outside).status().message()),
              testing::HasSubstr("cannot stand in an external file"));
}

}  // namespace
}  // namespace onnxquant
