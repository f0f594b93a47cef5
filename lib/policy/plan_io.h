// The stage that decides the types of graph inputs and outputs.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_IO_H_
#define ONNXQUANT_LIB_POLICY_PLAN_IO_H_

#include <vector>

#include "lib/policy/plan_context.h"

namespace onnxquant {

// Float graph inputs, then outputs.
std::vector<IoPlan> PlanIo(const PlanContext& context, SettingsResolver& resolver);

// By ValueId: the types of the main graph's inputs and outputs; of other values, those that they
// have in the source model.
using IoTypes = IdVector<ElementType>;
IoTypes TypesWith(const PlanContext& context, const std::vector<IoPlan>& io);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_IO_H_
