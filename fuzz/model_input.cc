#include "fuzz/model_input.h"

#include <algorithm>
#include <string>

#include "fuzz/mutate_model.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace onnxquant::fuzz {

ModelInput SplitModelInput(const std::uint8_t* data, std::size_t size) {
  if (size < kChoices) return {};
  return {data[0], data[1], {reinterpret_cast<const std::byte*>(data) + kChoices, size - kChoices}};
}

namespace {

bool Parse(const std::uint8_t* data, std::size_t size, onnx::ModelProto& model) {
  return size >= kChoices &&
         model.ParseFromArray(data + kChoices, static_cast<int>(size - kChoices));
}

// The new size; 0 where it does not fit.
std::size_t Write(const onnx::ModelProto& model, std::uint8_t* data, std::size_t most) {
  const std::size_t size = model.ByteSizeLong();
  if (size + kChoices > most || !model.SerializeToArray(data + kChoices, static_cast<int>(size))) {
    return 0;
  }
  return size + kChoices;
}

std::size_t Mutate(std::uint8_t* data, std::size_t size, std::size_t most,
                   const onnx::ModelProto* donor, unsigned seed) {
  Random random(seed);
  onnx::ModelProto model;
  // Bytes as such too: readers of the wire format must bear them.
  if (Below(random, 10) == 0 || !Parse(data, size, model))
    return LLVMFuzzerMutate(data, size, most);
  if (Below(random, 4) == 0) data[Below(random, kChoices)] = static_cast<std::uint8_t>(random());
  for (std::size_t changes = 1 + Below(random, 4); changes > 0; --changes) {
    MutateModel(model, donor, random);
  }
  const std::size_t written = Write(model, data, most);
  return written == 0 ? LLVMFuzzerMutate(data, size, most) : written;
}

}  // namespace
}  // namespace onnxquant::fuzz

// Found by these names.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return onnxquant::fuzz::Mutate(data, size, most, nullptr, seed);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second,
                                                 std::size_t second_size, std::uint8_t* out,
                                                 std::size_t most, unsigned seed) {
  onnx::ModelProto donor;
  if (first_size > most || !onnxquant::fuzz::Parse(second, second_size, donor)) return 0;
  std::copy(first, first + first_size, out);
  return onnxquant::fuzz::Mutate(out, first_size, most, &donor, seed);
}
