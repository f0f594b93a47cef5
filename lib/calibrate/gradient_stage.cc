#include "lib/calibrate/gradient_stage.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/calibrate/moment_sums.h"
#include "lib/gradient/gradient.h"
#include "lib/model/external_data.h"
#include "lib/model/serialize.h"
#include "lib/runtime/any_model.h"
#include "lib/runtime/decoder.h"

namespace onnxquant {
namespace {

struct Loaded {
  std::unique_ptr<Runner> runner;
  std::string labels;
  std::vector<std::string> outputs;    // distinct; gradients and what products read
  std::vector<std::size_t> gradients;  // by place, among `outputs`
  std::vector<std::size_t> values;     // likewise; of a lookup its gradient again
};

std::vector<std::pair<std::string, std::string>> CachesOf(const onnx::GraphProto& graph) {
  Signature signature;
  for (const auto& input : graph.input()) signature.inputs.emplace_back().name = input.name();
  for (const auto& output : graph.output()) signature.outputs.emplace_back().name = output.name();
  std::vector<std::pair<std::string, std::string>> caches;
  const auto text = FindTextInterface(signature);
  if (!text.ok() || !text->has_value()) return caches;  // which its decoder will say
  for (const TextInterface::Cache& cache : (*text)->caches) {
    caches.emplace_back(cache.past, cache.present);
  }
  return caches;
}

absl::StatusOr<Loaded> Load(const GradientRun& run, const GradientPlan& plan,
                            absl::Span<const std::size_t> places) {
  GradientTask task;
  for (const std::size_t i : places) {
    task.targets.push_back(plan.places[i].info.output);
    if (!plan.places[i].info.lookup) task.values.push_back(plan.places[i].value);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(onnx::ModelProto model, ReadWholeModel(run.model));
  std::string folder = ResolveLocations(run.model, model);
  task.caches = CachesOf(model.graph());
  std::string bytes;
  Loaded loaded;
  {
    ONNXQUANT_ASSIGN_OR_RETURN(const Graph graph, Graph::Build(model, run.model));
    ONNXQUANT_ASSIGN_OR_RETURN(const ValueTypes types, InferTypes(graph, run.model));
    ONNXQUANT_ASSIGN_OR_RETURN(GradientModel made, BuildGradient(graph, types, task, run.model));
    ONNXQUANT_RETURN_IF_ERROR(SerializeModel(made.model, &bytes));
    loaded.labels = made.labels;
    absl::flat_hash_map<std::string, std::size_t> place_of;
    const auto give = [&](const std::string& name) {
      const auto [found, added] = place_of.try_emplace(name, loaded.outputs.size());
      if (added) loaded.outputs.push_back(name);
      return found->second;
    };
    std::size_t value = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
      loaded.gradients.push_back(give(made.gradients[i]));
      loaded.values.push_back(plan.places[places[i]].info.lookup ? loaded.gradients.back()
                                                                 : give(made.values[value++]));
    }
  }
  const ModelSource source{run.model, std::make_shared<const std::string>(std::move(bytes)),
                           std::move(folder)};
  // Thousands of small nodes take optimizers minutes, and hardly any time to run.
  RunnerOptions options = run.runner;
  options.optimization = RunnerOptions::Optimization::kNone;
  options.lean = true;  // each weight is read twice, as it is and turned: two copies more
  ONNXQUANT_ASSIGN_OR_RETURN(loaded.runner, run.factory(source, options));
  return loaded;
}

absl::Status CheckGradient(const GradientInfo& info, const Tensor& gradient, const Tensor& value) {
  const auto rows = [](const Tensor& tensor, std::int64_t size) {
    return tensor.is_float() && !tensor.dims().empty() && tensor.dims().back() == size
               ? static_cast<std::int64_t>(tensor.elements()) / size
               : -1;
  };
  const std::int64_t found = rows(gradient, info.outputs);
  if (found >= 0 && found == rows(value, info.inputs)) return absl::OkStatus();
  return MakeError(
      ErrorKind::kVerify,
      absl::StrCat("the gradient at '", info.output, "' is ", DimsText(gradient.dims()),
                   " for inputs ", DimsText(value.dims()), "; expected a row of ", info.outputs,
                   " for each row of ", info.inputs));
}

// Adds the squares by column, and gives the length |g| of each row.
absl::StatusOr<std::vector<float>> AddSquares(const GradientInfo& info, const Tensor& gradient,
                                              std::vector<double>& squares) {
  const auto size = static_cast<std::size_t>(info.outputs);
  const std::size_t rows = gradient.elements() / size;
  std::vector<float> lengths(rows);
  std::vector<float> scratch;
  for (std::size_t row = 0; row < rows; ++row) {
    const absl::Span<const float> g = gradient.Floats(row * size, size, scratch);
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double square = double{g[i]} * double{g[i]};
      squares[i] += square;
      sum += square;
    }
    if (!std::isfinite(sum)) {
      return MakeError(ErrorKind::kVerify,
                       absl::StrCat("the gradient at '", info.output, "' is NaN or infinite"));
    }
    lengths[row] = static_cast<float>(std::sqrt(sum));
  }
  return lengths;
}

}  // namespace

std::uint64_t GradientBytes(const GradientPlan::Place& place) {
  return MomentSums::BytesFor(place.info.inputs) +
         static_cast<std::uint64_t>(place.info.outputs) * sizeof(double);
}

absl::StatusOr<std::vector<GradientMoments>> SumGradients(const GradientRun& run,
                                                          const GradientPlan& plan,
                                                          absl::Span<const std::size_t> places,
                                                          const TokenSequences& sequences) {
  ONNXQUANT_ASSIGN_OR_RETURN(Loaded loaded, Load(run, plan, places));
  ONNXQUANT_ASSIGN_OR_RETURN(Decoder decoder,
                             Decoder::Create(std::move(loaded.runner), run.inputs));
  std::vector<MomentSums::Shape> shapes;
  std::vector<std::vector<double>> squares;
  for (const std::size_t i : places) {
    const GradientPlan::Place& place = plan.places[i];
    shapes.push_back({place.info.output, place.info.inputs,
                      place.layer < 0 ? std::string() : absl::StrCat("layer ", place.layer)});
    squares.emplace_back(static_cast<std::size_t>(place.info.outputs), 0.0);
  }
  MomentSums sums(std::move(shapes));
  std::uint64_t count = 0;
  for (const std::vector<std::int64_t>& whole : sequences) {
    const auto tokens = absl::MakeConstSpan(whole).subspan(0, kWholeTokens);
    if (tokens.size() < 2) continue;  // nothing follows
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(run.cancelled));
    std::vector<std::int64_t> labels(tokens.begin() + 1, tokens.end());
    labels.push_back(-1);
    decoder.Reset();
    decoder.Give(loaded.labels, Tensor::Of(ElementType::kInt64,
                                           {1, static_cast<std::int64_t>(labels.size())}, labels));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> results,
                               decoder.Step(tokens, loaded.outputs));
    std::vector<Tensor> rows;
    std::vector<std::vector<float>> lengths;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const GradientInfo& info = plan.places[places[i]].info;
      const Tensor& gradient = results[loaded.gradients[i]];
      rows.push_back(results[loaded.values[i]]);
      ONNXQUANT_RETURN_IF_ERROR(CheckGradient(info, gradient, rows.back()));
      ONNXQUANT_ASSIGN_OR_RETURN(std::vector<float> found, AddSquares(info, gradient, squares[i]));
      if (info.lookup) std::fill(found.begin(), found.end(), 1.0F);
      lengths.push_back(std::move(found));
    }
    ONNXQUANT_RETURN_IF_ERROR(sums.Add(rows, lengths));
    count += tokens.size() - 1;
    if (run.read) run.read(whole.size());
  }
  if (count == 0) {
    return MakeError(ErrorKind::kUsage, "no token follows another in the text: no gradients");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<Moments> moments, std::move(sums).Finish());
  std::vector<GradientMoments> gradients;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const GradientInfo& info = plan.places[places[i]].info;
    gradients.push_back({info.output,
                         info.lookup,
                         info.inputs,
                         info.outputs,
                         count,
                         std::move(moments[i].sums),
                         {squares[i].begin(), squares[i].end()}});
  }
  return gradients;
}

}  // namespace onnxquant
