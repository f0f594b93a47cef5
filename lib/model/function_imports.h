// Opsets that only local functions import.
#ifndef ONNXQUANT_LIB_MODEL_FUNCTION_IMPORTS_H_
#define ONNXQUANT_LIB_MODEL_FUNCTION_IMPORTS_H_

#include "onnx/onnx_pb.h"

namespace onnxquant {

// Imports for the model what its local functions import and it does not, in the newest version of
// each domain, so that their nodes keep their meaning when they stand in the graph.
void ImportOpsetsOfFunctions(onnx::ModelProto& model);

// Takes imports back from the one at `first` on where no node of the graph needs them.
void DropUnusedImports(onnx::ModelProto& model, int first);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_FUNCTION_IMPORTS_H_
