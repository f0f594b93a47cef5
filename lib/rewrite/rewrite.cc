#include "lib/rewrite/rewrite.h"

#include <utility>

#include "lib/base/error.h"
#include "lib/rewrite/casts.h"
#include "lib/rewrite/declarations.h"
#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/emit_nodes.h"
#include "lib/rewrite/graph_writer.h"
#include "lib/rewrite/remove_dead.h"
#include "lib/rewrite/repacked_weights.h"
#include "lib/rewrite/rope_tables.h"
#include "lib/rewrite/stored_weights.h"

namespace onnxquant {

absl::StatusOr<Rewritten> Rewrite(const Model& model, const Analysis& analysis,
                                  const OutputPlan& plan, int sealed_at_once) {
  const RewriteInput given{model, analysis, plan};
  StoredConstants constants = FindStoredConstants(given);
  TakenNames taken = FindTakenNames(given);
  OutputNames names = NameValues(given, constants, taken.values);
  const EmitInput input{given, std::move(constants), std::move(names)};

  GraphWriter writer(StartFromInput(model.proto()), std::move(taken), sealed_at_once);
  StoreInitializers(input, writer);
  StoreRepacked(input, writer);
  MakeRopeTables(input, writer);
  CastTable casts = StartCastTable(input);
  ONNXQUANT_RETURN_IF_ERROR(EmitMainGraph(input, writer, casts));
  auto [result, sealed] = std::move(writer).Finish();

  onnx::GraphProto& main = *result.model.mutable_graph();
  RemoveUnreadInitializers(result, RemoveDead(main, sealed));
  DeclareInputsAndOutputs(input, main);
  DeclareValues(input, kMainScope, sealed, main);
  result.sealed_nodes = std::move(sealed).Fields();
  result.casts = casts.written;
  CountValues(input, result);
  AddProvenance(plan, result.model);
  return std::move(result);
}

}  // namespace onnxquant
