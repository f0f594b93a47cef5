#include "lib/checkpoint/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/tile_executor.h"
#include "lib/checkpoint/fit.h"
#include "lib/checkpoint/graph_weights.h"
#include "lib/checkpoint/parts.h"
#include "lib/checkpoint/tensor_names.h"

namespace onnxquant {
namespace {

constexpr double kAlike = 0.5;  // a relative error over samples: the same weight, trained on

using Values = std::vector<float>;

std::string RowsText(std::int64_t first, std::int64_t count) {
  return absl::StrCat("rows ", first, " … ", first + count - 1);
}

class Comparer {
 public:
  Comparer(const Checkpoint& checkpoint, std::vector<GraphWeight> weights, int threads)
      : checkpoint_(checkpoint), weights_(std::move(weights)), threads_(threads) {}

  absl::StatusOr<CheckpointComparison> Run(int coded) {
    result_.path = checkpoint_.path();
    result_.files = checkpoint_.files();
    result_.coded = coded;
    Begin();
    FindWhole(kSame, false);
    FindFused();
    FindSplit();
    FindReordered();
    FindWhole(kAlike, true);
    ONNXQUANT_RETURN_IF_ERROR(CompareAll());
    FindReplaced();
    for (ComparedTensor& tensor : result_.tensors) {
      // It may be there in codes, which no vector is.
      if (tensor.fate == TensorFate::kMissing && coded > 0 && Squeezed(tensor.shape).size() > 1) {
        tensor.fate = TensorFate::kNotCompared;
      }
    }
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      if (!used_[i]) result_.only_in_graph.push_back(weights_[i].name);
    }
    return std::move(result_);
  }

 private:
  // Part of a tensor, and where the graph has it.
  struct Match : TensorPart {
    std::size_t weight = 0;
  };

  // A constant, read one way.
  struct View {
    std::size_t weight = 0;
    std::size_t way = 0;
  };

  void Begin() {
    const std::size_t count = checkpoint_.tensors().size();
    result_.tensors.resize(count);
    rows_.resize(count);
    samples_.resize(count);
    matches_.resize(count);
    used_.assign(weights_.size(), false);
    for (std::size_t i = 0; i < count; ++i) {
      const CheckpointTensor& tensor = checkpoint_.tensors()[i];
      ComparedTensor& compared = result_.tensors[i];
      compared.name = tensor.name;
      compared.type = tensor.type;
      compared.shape = tensor.shape;
      // Of the shape of one that is not stored nothing has been checked, its elements neither.
      if (!IsTrained(tensor) || (tensor.stored != nullptr && tensor.elements() == 0)) {
        compared.fate = TensorFate::kNotTrained;
      } else if (tensor.stored == nullptr) {
        compared.fate = TensorFate::kNotCompared;
      } else {
        rows_[i] = RowsOf(tensor);
        samples_[i] = SamplesOf(rows_[i]);
        open_.push_back(i);
      }
    }
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      for (std::size_t way = 0; way < weights_[i].ways.size(); ++way) {
        const ValueMatrix& matrix = weights_[i].ways[way];
        by_shape_[{matrix.lines(), matrix.length()}].push_back({i, way});
        view_samples_[{i, way}] = SamplesOf(matrix);
      }
    }
  }

  bool IsOpen(std::size_t tensor) const { return matches_[tensor].empty(); }

  // The constant of the tensor's shape that comes nearest, within a bound.
  struct Nearest {
    View view;
    TensorFit fit;
  };
  std::optional<Nearest> NearestOf(std::size_t tensor, double bound, bool unused, bool used) const {
    const auto found = by_shape_.find({rows_[tensor].rows, rows_[tensor].columns});
    if (found == by_shape_.end()) return std::nullopt;
    const std::string& name = result_.tensors[tensor].name;
    std::optional<Nearest> best;
    int likeness = 0;
    for (const View& view : found->second) {
      if (used_[view.weight] ? !used : !unused) continue;
      const TensorFit fit = BestFit(samples_[tensor], view_samples_.at({view.weight, view.way}),
                                    rows_[tensor].rows == 1);
      if (!(fit.error <= bound) || (best && fit.error > best->fit.error)) continue;
      // Of several that are as near, the one of the likest name; first those nobody has.
      const int own = LikenessOf(name, weights_[view.weight].name) - (used_[view.weight] ? 100 : 0);
      if (best && fit.error == best->fit.error && own <= likeness) continue;
      best = Nearest{view, fit};
      likeness = own;
    }
    return best;
  }

  Match WholeOf(std::size_t tensor, const Nearest& nearest) const {
    return {{nearest.view.way, 0, rows_[tensor].rows, 0, nearest.fit.transform},
            nearest.view.weight};
  }

  void Take(std::size_t tensor, const Match& match) {
    matches_[tensor].push_back(match);
    used_[match.weight] = true;
  }

  void FindWhole(double bound, bool only_unused) {
    for (const std::size_t tensor : open_) {
      if (!IsOpen(tensor)) continue;
      const auto nearest = NearestOf(tensor, bound, true, !only_unused);
      if (!nearest) continue;
      Take(tensor, WholeOf(tensor, *nearest));
    }
  }

  ValueDifference CompareMatch(std::size_t tensor, const Match& match) const {
    return ComparePart(rows_[tensor], weights_[match.weight], match);
  }

  // Tensors that are rows of a constant with more of them.
  void FindFused() {
    for (const std::size_t tensor : open_) {
      for (std::size_t i = 0; i < weights_.size() && IsOpen(tensor); ++i) {
        for (std::size_t way = 0; way < weights_[i].ways.size() && IsOpen(tensor); ++way) {
          const std::optional<TensorPart> part = PartOfConstant(rows_[tensor], weights_[i], way);
          if (!part) continue;
          Take(tensor, Match{*part, i});
          result_.tensors[tensor].how.push_back(
              absl::StrCat("fused: ", RowsText(part->line, part->rows)));
        }
      }
    }
  }

  // Constants that are rows of a tensor with more of them.
  void FindSplit() {
    for (const std::size_t tensor : open_) {
      if (!IsOpen(tensor)) continue;
      std::vector<Match> parts;
      std::int64_t covered = 0;
      for (std::size_t i = 0; i < weights_.size(); ++i) {
        if (used_[i]) continue;
        for (std::size_t way = 0; way < weights_[i].ways.size(); ++way) {
          const std::optional<TensorPart> part = PartOfTensor(rows_[tensor], weights_[i], way);
          if (!part) continue;
          parts.push_back({*part, i});
          covered += part->rows;
          break;
        }
      }
      if (covered != rows_[tensor].rows) continue;
      std::sort(parts.begin(), parts.end(),
                [](const Match& a, const Match& b) { return a.row < b.row; });
      for (const Match& part : parts) {
        Take(tensor, part);
        result_.tensors[tensor].how.push_back(
            absl::StrCat("split: ", RowsText(part.row, part.rows)));
      }
    }
  }

  // Constants whose lines are the tensor's rows in another order.
  void FindReordered() {
    for (const std::size_t tensor : open_) {
      const auto found = by_shape_.find({rows_[tensor].rows, rows_[tensor].columns});
      if (found == by_shape_.end()) continue;
      for (const View& view : found->second) {
        if (!IsOpen(tensor) || used_[view.weight]) continue;
        const std::vector<std::int64_t> lines =
            LinesInOtherOrder(rows_[tensor], weights_[view.weight], view.way);
        for (std::size_t row = 0; row < lines.size(); ++row) {
          matches_[tensor].push_back(
              {{view.way, static_cast<std::int64_t>(row), 1, lines[row]}, view.weight});
        }
        if (lines.empty()) continue;
        used_[view.weight] = true;
        result_.tensors[tensor].how.emplace_back("rows in another order");
      }
    }
  }

  void SayHow(std::size_t i) {
    ComparedTensor& tensor = result_.tensors[i];
    const Match& match = matches_[i][0];
    const GraphWeight& weight = weights_[match.weight];
    if (weight.ways.size() > 1 && match.way == 1) tensor.how.emplace_back("transposed");
    if (match.transform.offset == 1) tensor.how.emplace_back("as 1 + w");
    if (match.transform.offset == -1) tensor.how.emplace_back("as w - 1");
    if (match.transform.factor != 1) {
      tensor.how.push_back(absl::StrCat("scaled by ", static_cast<float>(match.transform.factor)));
    }
    for (const Match& part : matches_[i]) {
      const std::string& name = weights_[part.weight].name;
      if (tensor.graph.empty() || tensor.graph.back() != name) tensor.graph.push_back(name);
    }
  }

  absl::Status CompareAll() {
    ONNXQUANT_RETURN_IF_ERROR(RunTiles(open_.size(), threads_, nullptr, [&](std::size_t at) {
      const std::size_t i = open_[at];
      for (const Match& match : matches_[i]) {
        result_.tensors[i].difference.Add(CompareMatch(i, match));
      }
      return absl::OkStatus();
    }));
    for (const std::size_t i : open_) {
      ComparedTensor& tensor = result_.tensors[i];
      if (matches_[i].empty()) continue;
      SayHow(i);
      tensor.fate = tensor.difference.exact == tensor.difference.elements ? TensorFate::kEqual
                    : tensor.difference.Same()                            ? TensorFate::kRounded
                                                                          : TensorFate::kDiffers;
    }
    return absl::OkStatus();
  }

  // What the graph has nowhere, while it has another tensor in its place.
  void FindReplaced() {
    for (const std::size_t i : open_) {
      ComparedTensor& tensor = result_.tensors[i];
      if (tensor.fate != TensorFate::kMissing) continue;
      auto nearest = NearestOf(i, kAlike, false, true);
      if (!nearest && IsHead(tensor.name)) nearest = TableOf(i);
      if (!nearest) continue;
      for (const std::size_t other : open_) {
        if (other == i || matches_[other].empty() ||
            matches_[other][0].weight != nearest->view.weight) {
          continue;
        }
        tensor.instead = result_.tensors[other].name;
        break;
      }
      if (tensor.instead.empty()) continue;
      tensor.fate = TensorFate::kReplaced;
      tensor.graph = {weights_[nearest->view.weight].name};
      tensor.difference = CompareMatch(i, WholeOf(i, *nearest));
    }
  }

  // The table of a head's shape that the graph reads as an embedding or as a head.
  std::optional<Nearest> TableOf(std::size_t tensor) const {
    const auto found = by_shape_.find({rows_[tensor].rows, rows_[tensor].columns});
    if (found == by_shape_.end()) return std::nullopt;
    for (const View& view : found->second) {
      const std::string& role = weights_[view.weight].role;
      if (role == "embedding" || role == "lm_head") return Nearest{view, {}};
    }
    return std::nullopt;
  }

  const Checkpoint& checkpoint_;
  std::vector<GraphWeight> weights_;
  int threads_;
  CheckpointComparison result_;
  std::vector<TensorRows> rows_;             // by tensor
  std::vector<Values> samples_;              // by tensor
  std::vector<std::vector<Match>> matches_;  // by tensor
  std::vector<std::size_t> open_;            // tensors that are compared
  std::vector<bool> used_;                   // by constant
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<View>> by_shape_;
  std::map<std::pair<std::size_t, std::size_t>, Values> view_samples_;
};

}  // namespace

const char* NameOf(TensorFate fate) {
  switch (fate) {
    case TensorFate::kEqual:
      return "equal";
    case TensorFate::kRounded:
      return "rounded";
    case TensorFate::kDiffers:
      return "differs";
    case TensorFate::kReplaced:
      return "replaced";
    case TensorFate::kMissing:
      return "missing";
    case TensorFate::kNotTrained:
      return "not_trained";
    case TensorFate::kNotCompared:
      break;
  }
  return "not_compared";
}

int CheckpointComparison::Count(TensorFate fate) const {
  return static_cast<int>(
      std::count_if(tensors.begin(), tensors.end(),
                    [fate](const ComparedTensor& tensor) { return tensor.fate == fate; }));
}

bool CheckpointComparison::Lost() const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const ComparedTensor& tensor) { return tensor.Lost(); });
}

absl::StatusOr<CheckpointComparison> CompareWithCheckpoint(const Analysis& analysis,
                                                           const Model& model,
                                                           const std::string& checkpoint,
                                                           int threads) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Checkpoint opened, Checkpoint::Open(checkpoint));
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<GraphWeight> weights, FindGraphWeights(analysis, model));
  auto comparison = Comparer(opened, std::move(weights), threads).Run(CountCodedWeights(analysis));
  ONNXQUANT_RETURN_IF_ERROR(opened.CheckUnchanged());
  return comparison;
}

}  // namespace onnxquant
