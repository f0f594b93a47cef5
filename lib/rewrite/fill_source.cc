#include "lib/rewrite/fill_source.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/formats/floats.h"
#include "lib/model/float_payload.h"

namespace onnxquant {
namespace {

// The type that the job rounds numbers to.
ElementType NarrowType(const FillJob& job) {
  return job.stored.form == nullptr ? job.type : job.stored.format.source;
}

std::unique_ptr<Codec> MakeCodec(const FillJob& job, ElementType source,
                                 const CodecContext& context) {
  if (job.repack) return MakeRepackCodec(*job.repack, context);
  if (job.stored.form != nullptr) return job.stored.form->codec(job.stored, context);
  if (job.exponent == 0 && job.limit == 0 && job.type == source) return MakeCopyCodec(context);
  return MakeFloatCodec(job.type, context);
}

// A tile of float64 as floats, as the next step takes them: what is rounded again is rounded to odd
// here.
std::vector<float> Narrowed(const Tile& tile, const NarrowAccount& account,
                            kernels::NarrowStats* stats) {
  return FloatsOfPayload(tile.bytes, ElementType::kDouble,
                         IsHalf(account.type()) ? DoubleRounding::kOdd : DoubleRounding::kNearest,
                         ModeOf(account.overflow()), stats);
}

}  // namespace

FillSource::FillSource(const Model& model, const onnx::TensorProto& tensor)
    : tensor_(tensor), reader_(model, tensor) {}

bool FillSource::AddTarget(const FillJob& job, const OutputToFill& output,
                           methods::FactorSource* factors) {
  Target target;
  target.exponent = job.exponent;
  target.codes = job.stored.form != nullptr;
  target.account = std::make_unique<NarrowAccount>(
      absl::StrCat("initializer '", tensor_.name(), "'"), NarrowType(job), job.overflow, job.limit);
  target.codec = MakeCodec(job, static_cast<ElementType>(tensor_.data_type()),
                           {PartSink(output.sink, job.targets, job.first_bytes),
                            target.account.get(), job.choice, factors});
  target.warnings = output.warnings;
  const Cut cut = target.codec->Wanted();
  if (cut.rows != 0) {
    if (seen_as_.rows == 0) seen_as_ = cut;
    if (cut.rows != seen_as_.rows || cut.columns != seen_as_.columns) return false;
  }
  targets_.push_back(std::move(target));
  return true;
}

absl::Status FillSource::CutInto(std::uint64_t tile_bytes) {
  std::vector<Cut> cuts;
  for (const Target& target : targets_) cuts.push_back(target.codec->Wanted());
  ONNXQUANT_RETURN_IF_ERROR(reader_.CutInto(tile_bytes, cuts));
  for (const Target& target : targets_) target.codec->Begin(reader_.tiling());
  unfinished_ = reader_.tiles();
  return absl::OkStatus();
}

bool FillSource::Observes() const {
  for (const Target& target : targets_) {
    if (target.codec->Observes()) return true;
  }
  return false;
}

// No code stands for such numbers, and quantizers overlook them.
absl::Status FillSource::CheckFinite(const Target& target, absl::Span<const float> numbers) {
  if (!target.codes || AllFinite(numbers)) return absl::OkStatus();
  return ModelError(target.account->what(),
                    " holds NaN or Inf, which no code stands for; mend the model, or keep it in "
                    "float32 with a rule (weights: float32)");
}

// Calls act(codec, tile) with the tile as each target's codec takes it. `counts`: what that loses
// is for the accounts.
template <typename Act>
absl::Status FillSource::ForEachCodec(const Tile& tile, bool counts, const Act& act) {
  const bool doubles = static_cast<ElementType>(tensor_.data_type()) == ElementType::kDouble;
  for (const Target& target : targets_) {
    const bool narrows = doubles && !target.codec->Copies();
    if (target.exponent == 0 && !narrows) {
      ONNXQUANT_RETURN_IF_ERROR(CheckFinite(target, tile.floats));
      ONNXQUANT_RETURN_IF_ERROR(act(*target.codec, tile));
      continue;
    }
    Tile own = tile;
    std::vector<float> floats(tile.floats.begin(), tile.floats.end());
    if (narrows) {
      kernels::NarrowStats stats;
      floats = Narrowed(tile, *target.account, &stats);
      if (counts) ONNXQUANT_RETURN_IF_ERROR(target.account->Add(stats));
    }
    const float factor = std::ldexp(1.0F, target.exponent);
    for (float& number : floats) number *= factor;
    own.floats = floats;
    ONNXQUANT_RETURN_IF_ERROR(CheckFinite(target, floats));
    ONNXQUANT_RETURN_IF_ERROR(act(*target.codec, own));
  }
  return absl::OkStatus();
}

absl::Status FillSource::Observe(std::size_t index) {
  TileReader::Held held;
  ONNXQUANT_RETURN_IF_ERROR(reader_.Read(index, held));
  ONNXQUANT_RETURN_IF_ERROR(ForEachCodec(held.tile, false, [](Codec& codec, const Tile& tile) {
    return codec.Observes() ? codec.Observe(tile) : absl::OkStatus();
  }));
  reader_.Release(held.tile);
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> FillSource::Fill(std::size_t index) {
  TileReader::Held held;
  ONNXQUANT_RETURN_IF_ERROR(reader_.Read(index, held));
  ONNXQUANT_RETURN_IF_ERROR(ForEachCodec(
      held.tile, true, [](Codec& codec, const Tile& tile) { return codec.Write(tile); }));
  reader_.Release(held.tile);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--unfinished_ > 0) return held.length;
  }
  for (const Target& target : targets_) ONNXQUANT_RETURN_IF_ERROR(target.codec->Finish());
  return held.length;
}

void FillSource::AddWarnings() const {
  const auto bits =
      static_cast<std::uint64_t>(BitsOf(static_cast<ElementType>(tensor_.data_type())));
  const std::size_t elements = reader_.bytes() * 8 / bits;
  for (const Target& target : targets_) {
    if (target.warnings != nullptr) target.account->Warn(elements, *target.warnings);
  }
}

}  // namespace onnxquant
