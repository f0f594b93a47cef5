// bad_weights: NaN and infinity in weights.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/error.h"
#include "lib/check/checkers.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kChunk = 16 << 20;
constexpr std::int64_t kSmallest = 257;  // smaller constants are limits and mask fills
constexpr std::size_t kShown = 3;

struct Counts {
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;  // of either sign
  bool mask = true;       // zeros and minus infinity, nothing else

  bool bad() const { return nan > 0 || (inf > 0 && !mask); }
  std::string ToString() const {
    std::vector<std::string> parts;
    if (nan > 0) parts.push_back(absl::StrCat(nan, " NaN"));
    if (inf > 0) parts.push_back(absl::StrCat(inf, " Inf"));
    return absl::StrJoin(parts, " and ");
  }
};

// `infinity` is the type's, as bits: magnitudes beyond it are NaN.
template <typename Bits>
void Count(absl::Span<const std::byte> bytes, Bits infinity, Counts& counts) {
  constexpr Bits kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  std::vector<Bits> numbers(bytes.size() / sizeof(Bits));  // the payload may lie at any address
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(Bits));
  Bits largest = 0;
  for (const Bits number : numbers) {
    largest = std::max(largest, static_cast<Bits>(number & static_cast<Bits>(~kSign)));
  }
  if (largest < infinity) {  // what nearly all chunks are
    counts.mask = counts.mask && largest == 0;
    return;
  }
  for (const Bits number : numbers) {
    const auto magnitude = static_cast<Bits>(number & static_cast<Bits>(~kSign));
    counts.nan += magnitude > infinity ? 1 : 0;
    counts.inf += magnitude == infinity ? 1 : 0;
    counts.mask = counts.mask && (magnitude == 0 || number == (infinity | kSign));
  }
}

absl::StatusOr<Counts> CountIn(const Model& model, const onnx::TensorProto& tensor) {
  const auto type = static_cast<ElementType>(tensor.data_type());
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(tensor));
  Counts counts;
  for (std::uint64_t offset = 0; offset < bytes.size(); offset += kChunk) {
    const std::uint64_t length = std::min<std::uint64_t>(kChunk, bytes.size() - offset);
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> chunk,
                               model.Read(tensor, offset, length));
    if (type == ElementType::kFloat16) Count<std::uint16_t>(chunk, 0x7c00, counts);
    if (type == ElementType::kBFloat16) Count<std::uint16_t>(chunk, 0x7f80, counts);
    if (type == ElementType::kFloat) Count<std::uint32_t>(chunk, 0x7f800000, counts);
    model.Release(tensor, offset, length);
  }
  return counts;
}

bool IsLarge(const onnx::TensorProto& tensor) {
  const auto type = static_cast<ElementType>(tensor.data_type());
  if (!IsHalf(type) && type != ElementType::kFloat) return false;
  std::int64_t elements = 1;
  for (const std::int64_t dim : tensor.dims()) elements *= dim;
  return elements >= kSmallest;
}

}  // namespace

absl::Status FindBadWeights(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings) {
  if (!context.all_weights || !context.model.damages().empty()) return absl::OkStatus();
  Finding finding;
  std::vector<std::string> shown;
  for (ValueId id = 0; id < static_cast<ValueId>(context.graph().values().size()); ++id) {
    const Value& value = context.graph().value(id);
    const onnx::TensorProto* tensor = ConstantTensor(context.graph(), id);
    if (tensor == nullptr || !IsLarge(*tensor)) continue;
    ONNXQUANT_ASSIGN_OR_RETURN(const Counts counts, CountIn(context.model, *tensor));
    if (!counts.bad()) continue;
    finding.places.push_back(value.name);
    if (shown.size() < kShown) {
      shown.push_back(absl::StrCat("'", value.name, "' holds ", counts.ToString()));
    }
    if (finding.layer < 0 && !value.uses.empty()) {
      finding.layer = context.LayerOf(value.uses.front().node);
    }
  }
  if (finding.places.empty()) return absl::OkStatus();
  finding.kind = kind;
  finding.place = finding.places.front();
  finding.count = static_cast<int>(finding.places.size());
  finding.evidence = absl::StrJoin(shown, ", ");
  if (finding.places.size() > shown.size()) {
    absl::StrAppend(&finding.evidence, ", and ", finding.places.size() - shown.size(), " more do");
  }
  finding.remedy =
      "download the file again, or convert its original again: no conversion of this file brings "
      "back what the weights were";
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

}  // namespace onnxquant
