#include "lib/rewrite/stored_constants.h"

#include <cstddef>

namespace onnxquant {

Reading StoredConstants::ReadBy(const Use& slot) const {
  const auto it = readings.find({slot.node, slot.input});
  return it == readings.end() ? Reading{} : it->second;
}

StoredConstants FindStoredConstants(const RewriteInput& input) {
  StoredConstants constants;
  constants.plans.resize(input.graph().values().size());
  for (const WeightPlan& weight : input.plan.weights) {
    constants.plans[weight.weight] = &weight;
    for (const WeightCopy& copy : weight.copies) {
      for (std::size_t i = 0; i < copy.uses.size(); ++i) {
        const WeightUse& read = input.analysis.weight_uses[copy.uses[i]];
        const bool floats = copy.format.IsFloat();
        bool directly = true;
        for (const NodeId link : read.chain) {
          if (copy.rows > 0) constants.shortened.insert(input.graph().node(link).outputs[0]);
          // Of several copies behind one Transpose, the Transpose reads the one in its own type.
          const NodePlan& plan = input.PlanOf(link);
          const bool its_own = plan.passes || copy.format.type == plan.compute;
          if (floats && its_own) constants.readings[{link, 0}] = {&copy, directly};
          directly = directly && plan.passes;
        }
        const Format* form = floats ? nullptr : copy.readers[i];
        constants.readings[{read.reader.node, read.reader.input}] = {&copy, directly, form,
                                                                     &copy.stored, &copy.names};
      }
    }
  }
  for (const RepackPlan& repack : input.plan.repacks) {
    if (repack.stored.form == nullptr) continue;
    const CodedWeight& weight = input.analysis.coded_weights[repack.weight];
    for (std::size_t i = 0; i < weight.readers.size(); ++i) {
      const Use& slot = weight.readers[i].slot;
      constants.readings[{slot.node, slot.input}] = {nullptr, true, repack.readers[i],
                                                     &repack.stored, &repack.names};
    }
    constants.replaced.insert(weight.decoder);
    constants.replaced.insert(weight.links.begin(), weight.links.end());
  }
  return constants;
}

}  // namespace onnxquant
