// What is wrong in a case of the sweep.
#ifndef ONNXQUANT_TESTS_SWEEP_MUTATIONS_H_
#define ONNXQUANT_TESTS_SWEEP_MUTATIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "onnx/defs/schema.h"
#include "onnx/onnx_pb.h"
#include "tests/sweep/case_maker.h"

namespace onnxquant {

using TakeCase = std::function<void(const std::string&, const onnx::ModelProto&)>;

// Declared here, made in case_maker.cc.
onnx::TypeProto TypeOf(const std::string& text);
onnx::AttributeProto SoundAttribute(const std::string& op,
                                    const onnx::OpSchema::Attribute& attribute);
onnx::TensorProto Integers(const std::vector<std::int64_t>& values);

// The node tried stands first in the sound model's graph; its inputs "in0", "in1" … are graph
// inputs.
void MutateInputs(const onnx::OpSchema& schema, const onnx::ModelProto& sound, Breadth breadth,
                  const TakeCase& take);
void MutateOutputs(const onnx::OpSchema& schema, const onnx::ModelProto& sound, Breadth breadth,
                   const TakeCase& take);
void MutateAttributes(const onnx::OpSchema& schema, const onnx::ModelProto& sound, Breadth breadth,
                      const TakeCase& take);

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SWEEP_MUTATIONS_H_
