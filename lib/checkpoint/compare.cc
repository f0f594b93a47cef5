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
    FindWhole(kAlike, true);
    ONNXQUANT_RETURN_IF_ERROR(CompareAll());
    FindReplaced();
    for (ComparedTensor& tensor : result_.tensors) {
      // It may be there in codes.
      if (tensor.fate == TensorFate::kMissing && coded > 0) tensor.fate = TensorFate::kNotCompared;
    }
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      if (!used_[i]) result_.only_in_graph.push_back(weights_[i].name);
    }
    return std::move(result_);
  }

 private:
  // Part of a tensor, and where the graph has it.
  struct Match {
    std::size_t weight = 0;
    std::size_t way = 0;
    std::int64_t row = 0;  // of the tensor
    std::int64_t rows = 0;
    std::int64_t line = 0;  // of the constant
    Transform transform = {};
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
      if (!IsTrained(tensor) || tensor.elements() == 0) {
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
    Fit fit;
  };
  std::optional<Nearest> NearestOf(std::size_t tensor, double bound, bool unused, bool used) const {
    const auto found = by_shape_.find({rows_[tensor].rows, rows_[tensor].columns});
    if (found == by_shape_.end()) return std::nullopt;
    const std::string& name = result_.tensors[tensor].name;
    std::optional<Nearest> best;
    int likeness = 0;
    for (const View& view : found->second) {
      if (used_[view.weight] ? !used : !unused) continue;
      const Fit fit = BestFit(samples_[tensor], view_samples_.at({view.weight, view.way}),
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

  void Take(std::size_t tensor, const Match& match) {
    matches_[tensor].push_back(match);
    used_[match.weight] = true;
  }

  void FindWhole(double bound, bool only_unused) {
    for (const std::size_t tensor : open_) {
      if (!IsOpen(tensor)) continue;
      const auto nearest = NearestOf(tensor, bound, true, !only_unused);
      if (!nearest) continue;
      Take(tensor, {nearest->view.weight, nearest->view.way, 0, rows_[tensor].rows, 0,
                    nearest->fit.transform});
    }
  }

  // Values of one place in every line.
  Values Across(const GraphWeight& weight, std::size_t way, std::int64_t place) const {
    Values values;
    if (weight.ways.size() == 1) {
      weight.ways[0].Read(0, 1, 0, weight.ways[0].length(), values);
    } else {
      const ValueMatrix& other = weight.ways[1 - way];
      other.Read(place, 1, 0, other.length(), values);
    }
    return values;
  }

  // Vectors have a number in each line; of more than two axes no rows are looked for.
  struct Lines {
    std::int64_t lines = 0;
    std::int64_t length = 0;
  };
  static Lines LinesOf(const GraphWeight& weight, std::size_t way) {
    const ValueMatrix& matrix = weight.ways[way];
    if (weight.ways.size() == 1 && matrix.lines() == 1) return {matrix.length(), 1};
    if (weight.ways.size() == 1 || matrix.outer > 1) return {};
    return {matrix.lines(), matrix.length()};
  }

  Difference CompareMatch(std::size_t tensor, const Match& match) const {
    const GraphWeight& weight = weights_[match.weight];
    const bool part_of_vector =
        weight.ways.size() == 1 && weight.ways[0].lines() == 1 && rows_[tensor].rows != 1;
    if (rows_[tensor].rows == 1 && !part_of_vector && weight.ways.size() == 1 &&
        weight.ways[0].length() != rows_[tensor].columns) {
      // A part of a vector: as columns of one element.
      TensorRows turned = rows_[tensor];
      std::swap(turned.rows, turned.columns);
      if (turned.tensor->stored->block > 1) return {};
      ValueMatrix column = weight.ways[0];
      std::swap(column.rows, column.columns);
      return Compare(turned, match.row, match.rows, column, match.line, match.transform);
    }
    return Compare(rows_[tensor], match.row, match.rows, weight.ways[match.way], match.line,
                   match.transform);
  }

  // Tensors that are rows of a constant with more of them.
  void FindFused() {
    for (const std::size_t tensor : open_) {
      if (!IsOpen(tensor)) continue;
      TensorRows own = rows_[tensor];
      if (own.rows == 1) std::swap(own.rows, own.columns);
      if (own.columns == 1 && own.tensor->stored->block > 1) continue;
      Values row;
      const std::int64_t block = own.tensor->stored->block;
      if (own.columns % block != 0) continue;
      own.Read(0, 1, 0, own.columns, row);
      const auto at = std::max_element(row.begin(), row.end(),
                                       [](float a, float b) { return std::abs(a) < std::abs(b); }) -
                      row.begin();
      for (std::size_t i = 0; i < weights_.size() && IsOpen(tensor); ++i) {
        for (std::size_t way = 0; way < weights_[i].ways.size() && IsOpen(tensor); ++way) {
          const Lines lines = LinesOf(weights_[i], way);
          if (lines.length != own.columns || lines.lines <= own.rows) continue;
          const Values across = Across(weights_[i], way, at);
          const double wanted = double{row[static_cast<std::size_t>(at)]};
          for (std::int64_t line = 0; line + own.rows <= lines.lines; ++line) {
            const double found = double{across[static_cast<std::size_t>(line)]};
            if (std::abs(found - wanted) > kSame * std::abs(wanted)) continue;
            const Match match{i, way, 0, own.rows, line, {}};
            Match first = match;
            first.rows = 1;
            if (!CompareMatch(tensor, first).Same() || !CompareMatch(tensor, match).Same())
              continue;
            Take(tensor, match);
            result_.tensors[tensor].how.push_back(
                absl::StrCat("fused: ", RowsText(line, own.rows)));
            break;
          }
        }
      }
    }
  }

  // Constants that are rows of a tensor with more of them.
  void FindSplit() {
    for (const std::size_t tensor : open_) {
      const TensorRows& own = rows_[tensor];
      if (!IsOpen(tensor) || own.rows < 2) continue;
      std::vector<Match> parts;
      std::int64_t covered = 0;
      for (std::size_t i = 0; i < weights_.size(); ++i) {
        if (used_[i] || weights_[i].ways.size() < 2) continue;
        for (std::size_t way = 0; way < 2; ++way) {
          const Lines lines = LinesOf(weights_[i], way);
          if (lines.length != own.columns || lines.lines >= own.rows) continue;
          const auto row = RowWith(tensor, i, way, lines.lines);
          if (!row) continue;
          parts.push_back({i, way, *row, lines.lines, 0, {}});
          covered += lines.lines;
          break;
        }
      }
      if (covered != own.rows) continue;
      std::sort(parts.begin(), parts.end(),
                [](const Match& a, const Match& b) { return a.row < b.row; });
      for (const Match& part : parts) {
        Take(tensor, part);
        result_.tensors[tensor].how.push_back(
            absl::StrCat("split: ", RowsText(part.row, part.rows)));
      }
    }
  }

  // The row from which on the tensor has a constant's lines.
  std::optional<std::int64_t> RowWith(std::size_t tensor, std::size_t weight, std::size_t way,
                                      std::int64_t lines) const {
    const TensorRows& own = rows_[tensor];
    Values line;
    weights_[weight].ways[way].Read(0, 1, 0, own.columns, line);
    const auto at = std::max_element(line.begin(), line.end(),
                                     [](float a, float b) { return std::abs(a) < std::abs(b); }) -
                    line.begin();
    const double wanted = double{line[static_cast<std::size_t>(at)]};
    for (std::int64_t row = 0; row + lines <= own.rows; ++row) {
      if (std::abs(double{own.At(row, at)} - wanted) > kSame * std::abs(wanted)) continue;
      if (!CompareMatch(tensor, {weight, way, row, 1, 0, {}}).Same()) continue;
      if (CompareMatch(tensor, {weight, way, row, lines, 0, {}}).Same()) return row;
    }
    return std::nullopt;
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
    for (const Match& part : matches_[i]) tensor.graph.push_back(weights_[part.weight].name);
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
      tensor.difference = CompareMatch(i, {nearest->view.weight, nearest->view.way, 0,
                                           rows_[i].rows, 0, nearest->fit.transform});
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
  auto comparison = Comparer(opened, std::move(weights), threads)
                        .Run(static_cast<int>(analysis.coded_weights.size()));
  ONNXQUANT_RETURN_IF_ERROR(opened.CheckUnchanged());
  return comparison;
}

}  // namespace onnxquant
