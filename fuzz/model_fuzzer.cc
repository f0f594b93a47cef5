// Loads any bytes as a model, and lets everything look at it that only looks.
#include <string>

#include "fuzz/model_input.h"
#include "fuzz/require.h"
#include "lib/inspect/diff.h"
#include "lib/inspect/inspect.h"
#include "lib/model/model.h"
#include "lib/simulate/simulate_half.h"
#include "onnxquant/check.h"

namespace onnxquant::fuzz {
namespace {

void Examine(const ModelInMemory& memory, bool for_cpu) {
  CheckOptions options;
  if (for_cpu) options.target = "cpu";
  const auto check = CheckModel(memory, options);
  RequireToldWell(check.status());
  if (check.ok()) (void)ToJson(*check);
}

void LookInto(const ModelInMemory& memory) {
  const auto model = Model::FromMemory(memory);
  RequireToldWell(model.status());
  if (!model.ok()) return;
  const auto inspection = InspectModel(*model);
  RequireToldWell(inspection.status());
  if (inspection.ok()) (void)ToJson(*inspection);
  const auto same = DiffModels(*model, *model);
  RequireToldWell(same.status());
  if (same.ok()) Require(same->Empty(), "a model without differences from itself");
  RequireToldWell(SimulateHalf(model->proto(), memory.path).status());
}

}  // namespace
}  // namespace onnxquant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  const ModelInput input = SplitModelInput(data, size);
  onnxquant::ModelInMemory memory;
  memory.model = input.model;
  if ((input.options & 1U) != 0) memory.tensors = {input.model.first(input.model.size() / 2)};
  LookInto(memory);
  Examine(memory, (input.options & 2U) != 0);
  return 0;
}
