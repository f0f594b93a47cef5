// A model on disk that becomes several data files, and its plan.
#ifndef ONNXQUANT_TESTS_PARTS_PARTED_MODEL_H_
#define ONNXQUANT_TESTS_PARTS_PARTED_MODEL_H_

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "onnxquant/manifest.h"
#include "onnxquant/quantize.h"
#include "tests/convert/external_model.h"

namespace onnxquant {

// Two weights of 256 KiB each as float16 in data files of their own, and in 4 bits in one.
inline constexpr char kPartedPolicy[] =
    "policy: 1\nname: p\noutputs:\n"
    "  fp16: {compute: float16, weights: float16, io: float32}\n"
    "  q4: {compute: float32, weights: {format: int4, block: 32}, io: float32}\n";

// Three data files: 128 KiB, 128 KiB, and 80 KiB.
inline PlanOptions PartedOptions() {
  PlanOptions options;
  options.policy_yaml = kPartedPolicy;
  options.max_shard = 150'000;
  return options;
}

inline Plan PartedPlan(const TempFolder& folder) {
  WriteExternalModel(folder, "model.onnx_data");
  // Weights that differ, else they would be stored once.
  std::vector<float> numbers;
  for (int i = 0; i < 2 * 256 * 256; ++i) {
    numbers.push_back(static_cast<float>(i % 1013 - 500) / 4096);
  }
  folder.Write("model.onnx_data", std::string(reinterpret_cast<const char*>(numbers.data()),
                                              numbers.size() * sizeof(float)));
  auto plan = MakePlan(folder / "model.onnx", PartedOptions());
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_PARTS_PARTED_MODEL_H_
