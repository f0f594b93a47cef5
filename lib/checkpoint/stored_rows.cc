#include "lib/checkpoint/stored_rows.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

template <typename T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

int Byte(const std::byte* bytes, int at) {
  return std::to_integer<int>(bytes[at]);
}

float Half(const std::byte* from) {
  const auto half = Load<std::uint16_t>(from);
  float value = 0;
  kernels::HalfToFloat({&half, 1}, {&value, 1});
  return value;
}

void ReadFloat(const std::byte* from, float* value) {
  *value = Load<float>(from);
}

void ReadHalf(const std::byte* from, float* value) {
  *value = Half(from);
}

void ReadBFloat16(const std::byte* from, float* value) {
  *value = std::bit_cast<float>(std::uint32_t{Load<std::uint16_t>(from)} << 16U);
}

// Blocks of 32: code i has its low four bits in byte i % 16, the upper half of the codes in the
// upper halves of the bytes; a fifth bit is bit i of a word.
int Code(const std::byte* codes, int i) {
  const int byte = Byte(codes, i % 16);
  return i < 16 ? byte & 15 : byte >> 4;
}

int Code5(const std::byte* codes, std::uint32_t fifth, int i) {
  return Code(codes, i) | static_cast<int>((fifth >> static_cast<unsigned>(i)) & 1U) << 4;
}

void ReadQ40(const std::byte* block, float* values) {
  const float scale = Half(block);
  for (int i = 0; i < 32; ++i) values[i] = static_cast<float>(Code(block + 2, i) - 8) * scale;
}

void ReadQ41(const std::byte* block, float* values) {
  const float scale = Half(block);
  const float least = Half(block + 2);
  for (int i = 0; i < 32; ++i) values[i] = static_cast<float>(Code(block + 4, i)) * scale + least;
}

void ReadQ50(const std::byte* block, float* values) {
  const float scale = Half(block);
  const auto fifth = Load<std::uint32_t>(block + 2);
  for (int i = 0; i < 32; ++i) {
    values[i] = static_cast<float>(Code5(block + 6, fifth, i) - 16) * scale;
  }
}

void ReadQ51(const std::byte* block, float* values) {
  const float scale = Half(block);
  const float least = Half(block + 2);
  const auto fifth = Load<std::uint32_t>(block + 4);
  for (int i = 0; i < 32; ++i) {
    values[i] = static_cast<float>(Code5(block + 8, fifth, i)) * scale + least;
  }
}

void ReadQ80(const std::byte* block, float* values) {
  const float scale = Half(block);
  for (int i = 0; i < 32; ++i) {
    values[i] = static_cast<float>(Load<std::int8_t>(block + 2 + i)) * scale;
  }
}

// Scale and minimum number `at` of the eight of a block of 256, six bits each in twelve bytes: the
// first four stand in the low six bits of bytes 0 … 3 and 4 … 7, the others in four bits of bytes
// 8 … 11, with their upper two above those.
struct SixBits {
  int scale, minimum;
};

SixBits ScaleAt(const std::byte* packed, int at) {
  if (at < 4) return {Byte(packed, at) & 63, Byte(packed, at + 4) & 63};
  return {(Byte(packed, at + 4) & 15) | (Byte(packed, at - 4) >> 6) << 4,
          (Byte(packed, at + 4) >> 4) | (Byte(packed, at) >> 6) << 4};
}

// Eight groups of 32, two of which share 32 bytes: their low and their upper halves.
void ReadGroups(const std::byte* block, const std::byte* codes, const std::byte* fifth,
                float* values) {
  const float scale = Half(block);
  const float minimum = Half(block + 2);
  for (int group = 0; group < 8; ++group) {
    const SixBits own = ScaleAt(block + 4, group);
    const float step = scale * static_cast<float>(own.scale);
    const float least = minimum * static_cast<float>(own.minimum);
    for (int i = 0; i < 32; ++i) {
      const int byte = Byte(codes, group / 2 * 32 + i);
      int code = group % 2 == 0 ? byte & 15 : byte >> 4;
      if (fifth != nullptr) code |= (Byte(fifth, i) >> group & 1) << 4;
      values[group * 32 + i] = step * static_cast<float>(code) - least;
    }
  }
}

void ReadQ4K(const std::byte* block, float* values) {
  ReadGroups(block, block + 16, nullptr, values);
}

void ReadQ5K(const std::byte* block, float* values) {
  ReadGroups(block, block + 48, block + 16, values);
}

// Two halves of 128: four runs of 32, of which the first two have the low halves of 64 bytes, the
// others the upper ones, and each two bits of 32 bytes. Scales are of 16 elements.
void ReadQ6K(const std::byte* block, float* values) {
  const float scale = Half(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int run = i % 128 / 32;
    const int low = Byte(block, half * 64 + run % 2 * 32 + i % 32);
    const int high = Byte(block + 128, half * 32 + i % 32);
    const int code = (run < 2 ? low & 15 : low >> 4) | (high >> (2 * run) & 3) << 4;
    const auto own = static_cast<float>(Load<std::int8_t>(block + 192 + i / 16));
    values[i] = scale * own * static_cast<float>(code - 32);
  }
}

constexpr StoredType kTypes[] = {
    {"F32", 0, 1, 4, ReadFloat},      {"F16", 1, 1, 2, ReadHalf},
    {"BF16", 30, 1, 2, ReadBFloat16}, {"Q4_0", 2, 32, 18, ReadQ40},
    {"Q4_1", 3, 32, 20, ReadQ41},     {"Q5_0", 6, 32, 22, ReadQ50},
    {"Q5_1", 7, 32, 24, ReadQ51},     {"Q8_0", 8, 32, 34, ReadQ80},
    {"Q4_K", 12, 256, 144, ReadQ4K},  {"Q5_K", 13, 256, 176, ReadQ5K},
    {"Q6_K", 14, 256, 210, ReadQ6K},
};

struct OtherName {
  std::uint32_t type = 0;
  absl::string_view name;
};

constexpr OtherName kOtherNames[] = {
    {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
    {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"},
    {24, "I8"},      {25, "I16"},   {26, "I32"},    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},
    {34, "TQ1_0"},   {35, "TQ2_0"}, {39, "MXFP4"},
};

}  // namespace

const StoredType* TypeOfSafetensors(absl::string_view dtype) {
  for (const StoredType& type : kTypes) {
    if (type.block == 1 && type.name == dtype) return &type;
  }
  return nullptr;
}

const StoredType* TypeOfGguf(std::uint32_t number) {
  for (const StoredType& type : kTypes) {
    if (type.ggml == static_cast<int>(number)) return &type;
  }
  return nullptr;
}

std::string NameOfGguf(std::uint32_t number) {
  if (const StoredType* type = TypeOfGguf(number)) return std::string(type->name);
  for (const OtherName& other : kOtherNames) {
    if (other.type == number) return std::string(other.name);
  }
  return absl::StrCat("type ", number);
}

void ReadStored(const StoredType& type, const std::byte* payload, absl::Span<float> values) {
  const auto block = static_cast<std::size_t>(type.block);
  const std::size_t blocks = values.size() / block;
  for (std::size_t i = 0; i < blocks; ++i) {
    type.read(payload + i * static_cast<std::size_t>(type.bytes), values.data() + i * block);
  }
}

}  // namespace onnxquant
