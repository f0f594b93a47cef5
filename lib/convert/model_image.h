// The .onnx file of an output in memory, while its inline tensors are filled.
#ifndef ONNXQUANT_LIB_CONVERT_MODEL_IMAGE_H_
#define ONNXQUANT_LIB_CONVERT_MODEL_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/convert/planned_output.h"

namespace onnxquant {

// A copy, so that the plan stays as it is and can be applied again. The output outlives it.
class ModelImage {
 public:
  explicit ModelImage(const PlannedOutput& output);

  // Bytes of an initializer that lies inside the .onnx file, at `offset` of its payload; those that
  // have the same bytes get them, too. Thread-safe for distinct bytes.
  void Put(int initializer, std::uint64_t offset, absl::Span<const std::byte> bytes);

  // The payload of such an initializer as it is now.
  absl::Span<const std::byte> PayloadOf(int initializer) const;

  const std::string& bytes() const { return model_; }

 private:
  std::size_t At(int initializer, std::uint64_t offset) const {
    return static_cast<std::size_t>(output_.payload_at[static_cast<std::size_t>(initializer)] +
                                    offset);
  }

  const PlannedOutput& output_;
  std::string model_;
  // By initializer: others in the model that have its bytes, too.
  std::vector<std::vector<int>> copies_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_MODEL_IMAGE_H_
