// The stage that decides which weights in codes get another reader.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_REPACKS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_REPACKS_H_

#include "lib/policy/plan_context.h"
#include "lib/policy/value_names.h"

namespace onnxquant {

// What the policy says of one reading.
Resolved ResolveReading(const PlanContext& context, const CodedWeight& weight,
                        const CodedReading& reader, SettingsResolver& resolver);

// Whether it asks for blocks of codes (int2, int4, int8).
bool AsksForBlocks(const Resolved& resolved);

// Sets plan.repacks: of each weight in codes for whose readers the policy asks for blocks of codes.
// Codes, blocks and zero points are the source's: a weight of as many bits is packed anew for
// MatMulNBits and GatherBlockQuantized, any other one stays as it is.
void PlanRepacks(const PlanContext& context, SettingsResolver& resolver, ValueNames& names,
                 OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_REPACKS_H_
