#include "lib/schema/guarded_inference.h"

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lib/schema/operand_rules.h"
#include "lib/schema/schema_lookup.h"
#include "onnx/defs/schema.h"
#include "onnx/shape_inference/implementation.h"

namespace onnxquant {
namespace {

// ONNX catches an InferenceError for the node, and goes on with the next one.
[[noreturn]] void PassBy(const std::string& why) {
  throw onnx::InferenceError(why);
}

void Guard(const onnx::OpSchema& schema, const onnx::InferenceFunction& infer,
           onnx::InferenceContext& context) {
  if (const std::string why = WhyNotToInfer(schema, context); !why.empty()) PassBy(why);
  try {
    infer(context);
  } catch (const onnx::InferenceError&) {
    throw;
  } catch (const std::exception& error) {
    // Of others than runtime_error it does not think, and they would end the whole inference.
    PassBy(error.what());
  }
}

// ONNX's schemas, whose inference functions are guarded.
class GuardedSchemas : public onnx::ISchemaRegistry {
 public:
  const onnx::OpSchema*
  // NOLINTNEXTLINE(google-default-arguments): as ONNX declares it
  GetSchema(const std::string& op, int opset, const std::string& domain) const override {
    const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(op, opset, domain);
    if (schema == nullptr || !schema->has_type_and_shape_inference_function()) return schema;
    std::unique_ptr<onnx::OpSchema>& guarded = guarded_[schema];
    if (guarded == nullptr) {
      guarded = std::make_unique<onnx::OpSchema>(*schema);
      guarded->TypeAndShapeInferenceFunction(
          [schema, infer = schema->GetTypeAndShapeInferenceFunction()](
              onnx::InferenceContext& context) { Guard(*schema, infer, context); });
    }
    return guarded.get();
  }

 private:
  mutable absl::flat_hash_map<const onnx::OpSchema*, std::unique_ptr<onnx::OpSchema>> guarded_;
};

}  // namespace

void InferShapesGuarded(onnx::ModelProto& model) {
  const GuardedSchemas schemas;
  try {
    onnx::shape_inference::InferShapes(model, &schemas);
  } catch (const std::exception&) {
    // What it knew before it gave up is in the model all the same.
  }
}

}  // namespace onnxquant
