#include "lib/policy/residual_bound.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/base/error.h"
#include "lib/model/float_payload.h"

namespace onnxquant {
namespace {

// Magnitudes by channel, or one for all of them; empty: not bounded.
using Channels = std::vector<double>;

constexpr std::uint64_t kChunk = 16 << 20;
constexpr int kDeepest = 64;  // steps back from one sum of the stream to the one before

class Bounder {
 public:
  Bounder(const Graph& graph, const Model& model) : graph_(graph), model_(model) {}

  absl::StatusOr<StreamBound> Run(const ResidualStream& stream) {
    StreamBound result;
    for (const ValueId value : stream.values) {
      ONNXQUANT_ASSIGN_OR_RETURN(const Channels channels, Bound(value));
      if (channels.empty()) {
        result.unbounded = graph_.value(unbounded_).name;
        return result;
      }
      result.peak = std::max(result.peak, *std::max_element(channels.begin(), channels.end()));
    }
    return result;
  }

 private:
  absl::StatusOr<Channels> Bound(ValueId value) {
    if (const auto it = known_.find(value); it != known_.end()) return it->second;
    Channels channels;
    if (depth_ < kDeepest) {
      ++depth_;
      ONNXQUANT_ASSIGN_OR_RETURN(channels, Compute(value));
      --depth_;
    }
    if (channels.empty() && unbounded_ == kNone) unbounded_ = value;
    known_[value] = channels;
    return channels;
  }

  absl::StatusOr<Channels> Compute(ValueId value) {
    if (const onnx::TensorProto* tensor = ConstantTensor(graph_, value)) {
      return Magnitudes(*tensor, true);
    }
    const NodeId id = graph_.value(value).producer;
    if (id == kNone) return Channels{};
    if (Is(id, {"Add", "Sub", "Sum"})) return Sum(graph_.node(id).inputs);
    if (IsSkipNorm(graph_, id) && graph_.value(value).output == 3) {
      const int bias = Is(id, {"SkipLayerNormalization"}) ? 4 : 3;
      return Sum({Input(id, 0), Input(id, 1), Input(id, bias)});
    }
    if (IsScaleInvariantNorm(graph_, id) && !IsSkipNorm(graph_, id)) return Norm(id);
    if (Is(id, {"Mul"})) return Product(Input(id, 0), Input(id, 1));
    if (Is(id, {"Gather"}) && IntAttribute(*graph_.node(id).proto, "axis", 0) == 0) {
      const onnx::TensorProto* table = ConstantTensor(graph_, Input(id, 0));
      return table == nullptr ? Bound(Input(id, 0)) : Magnitudes(*table, false);
    }
    if (Is(id, {"Identity", "Cast", "Dropout", "Clip"})) return Bound(Input(id, 0));
    return Channels{};
  }

  absl::StatusOr<Channels> Sum(const ValueIds& values) {
    Channels sum = {0};
    for (const ValueId value : values) {
      if (value == kNone) continue;
      ONNXQUANT_ASSIGN_OR_RETURN(const Channels one, Bound(value));
      sum = Combine(std::move(sum), one, [](double a, double b) { return a + b; });
    }
    return sum;
  }

  absl::StatusOr<Channels> Product(ValueId a, ValueId b) {
    ONNXQUANT_ASSIGN_OR_RETURN(Channels first, Bound(a));
    ONNXQUANT_ASSIGN_OR_RETURN(const Channels second, Bound(b));
    return Combine(std::move(first), second, [](double x, double y) { return x * y; });
  }

  absl::StatusOr<Channels> Norm(NodeId id) {
    ValueId source = Input(id, 1);
    // Files whose norms a converter left in float32 store the gain in float16, behind a Cast.
    while (source != kNone && graph_.value(source).producer != kNone &&
           Is(graph_.value(source).producer, {"Identity", "Cast"})) {
      source = Input(graph_.value(source).producer, 0);
    }
    const onnx::TensorProto* gain = source == kNone ? nullptr : ConstantTensor(graph_, source);
    if (gain == nullptr || gain->dims_size() != 1) return Channels{};
    ONNXQUANT_ASSIGN_OR_RETURN(Channels channels, Magnitudes(*gain, true));
    const double root = std::sqrt(static_cast<double>(gain->dims(0)));
    for (double& channel : channels) channel *= root;
    if (Input(id, 2) == kNone) return channels;
    ONNXQUANT_ASSIGN_OR_RETURN(const Channels bias, Bound(Input(id, 2)));
    return Combine(std::move(channels), bias, [](double a, double b) { return a + b; });
  }

  template <typename Operation>
  static Channels Combine(Channels a, const Channels& b, Operation operation) {
    if (a.empty() || b.empty()) return {};
    if (a.size() != b.size() && a.size() != 1 &&
        b.size() != 1) {  // shapes that broadcast otherwise
      a = {*std::max_element(a.begin(), a.end())};
      return {operation(a[0], *std::max_element(b.begin(), b.end()))};
    }
    if (a.size() < b.size()) a.resize(b.size(), a[0]);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = operation(a[i], b[b.size() == 1 ? 0 : i]);
    return a;
  }

  // By channel for a vector, if that is wanted; otherwise the largest of all.
  absl::StatusOr<Channels> Magnitudes(const onnx::TensorProto& tensor, bool by_channel) const {
    const auto type = static_cast<ElementType>(tensor.data_type());
    if (!IsFloat(type)) return Channels{};
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model_.Bytes(tensor));
    Channels channels(by_channel && tensor.dims_size() == 1
                          ? std::max<std::size_t>(1, static_cast<std::size_t>(tensor.dims(0)))
                          : 1);
    for (std::uint64_t offset = 0; offset < bytes.size(); offset += kChunk) {
      const std::uint64_t length = std::min<std::uint64_t>(kChunk, bytes.size() - offset);
      ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> chunk,
                                 model_.Read(tensor, offset, length));
      const std::vector<float> floats = FloatsOfPayload(chunk, type);
      if (channels.size() > 1) {
        const std::size_t first = offset * 8 / static_cast<std::size_t>(BitsOf(type));
        for (std::size_t i = 0; i < floats.size(); ++i) channels[first + i] = std::fabs(floats[i]);
      } else {
        channels[0] = std::max(channels[0], Largest(floats));
      }
      model_.Release(tensor, offset, length);
    }
    return channels;
  }

  // The bits of magnitudes are ordered as the numbers are, and integers are compared many at once.
  static double Largest(const std::vector<float>& floats) {
    std::uint32_t largest = 0;
    for (const float number : floats) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &number, sizeof(bits));
      largest = std::max(largest, bits & 0x7fffffffU);
    }
    float result = 0;
    std::memcpy(&result, &largest, sizeof(result));
    return static_cast<double>(result);
  }

  bool Is(NodeId node, std::initializer_list<const char*> ops) const {
    const onnx::NodeProto& proto = *graph_.node(node).proto;
    if (!IsOnnxDomain(proto.domain()) && proto.domain() != "com.microsoft") return false;
    return std::any_of(ops.begin(), ops.end(),
                       [&proto](const char* op) { return proto.op_type() == op; });
  }

  ValueId Input(NodeId node, int input) const {
    const ValueIds& inputs = graph_.node(node).inputs;
    return input < static_cast<int>(inputs.size()) ? inputs[static_cast<std::size_t>(input)]
                                                   : kNone;
  }

  const Graph& graph_;
  const Model& model_;
  absl::flat_hash_map<ValueId, Channels> known_;
  ValueId unbounded_ = kNone;  // the first that stopped us
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<StreamBound> BoundStream(const Graph& graph, const ResidualStream& stream,
                                        const Model& model) {
  return Bounder(graph, model).Run(stream);
}

}  // namespace onnxquant
