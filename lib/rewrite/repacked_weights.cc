#include "lib/rewrite/repacked_weights.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "lib/analysis/weight_uses.h"
#include "lib/formats/block_codec.h"

namespace onnxquant {
namespace {

void AddRepacked(const EmitInput& input, const RepackPlan& plan, GraphWriter& writer) {
  const CodedWeight& weight = input.analysis.coded_weights[plan.weight];
  const Stored& stored = plan.stored;
  Repack codes;
  codes.bits = weight.bits;
  codes.is_signed = weight.is_signed;
  codes.k = stored.k;
  codes.n = stored.n;
  codes.transposed = stored.transposed;
  const std::int64_t row = stored.padded ? BlocksOf(stored) * stored.format.block : stored.k;
  codes.row_bytes = row * weight.bits / 8;
  Repack zero_points = codes;
  zero_points.k = BlocksOf(stored);
  zero_points.row_bytes = ZeroPointBytesOf(stored);
  Repack scales = zero_points;
  scales.bits = 0;
  scales.type = stored.scale;
  const std::pair<ValueId, Repack> parts[] = {
      {weight.codes, codes}, {weight.scales, scales}, {weight.zero_points, zero_points}};
  const std::vector<StoredTensor> tensors = stored.form->tensors(stored);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    FillJob job;
    job.source = ConstantTensor(input.graph(), parts[i].first);
    job.type = tensors[i].type;
    job.repack = parts[i].second;
    job.targets = {writer.AddInitializer(plan.names[i], tensors[i].type, tensors[i].dims)};
    writer.AddJob(std::move(job));
  }
}

}  // namespace

void StoreRepacked(const EmitInput& input, GraphWriter& writer) {
  for (const RepackPlan& plan : input.plan.repacks) {
    if (plan.stored.form != nullptr) AddRepacked(input, plan, writer);
  }
}

}  // namespace onnxquant
