#include "lib/checkpoint/parts.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "lib/checkpoint/fit.h"

namespace onnxquant {
namespace {

bool IsVector(const GraphWeight& weight) {
  return weight.ways.size() == 1 && weight.ways[0].lines() == 1;
}

TensorRows AsColumn(TensorRows tensor) {
  std::swap(tensor.rows, tensor.columns);
  return tensor;
}

ValueMatrix AsColumn(ValueMatrix matrix) {
  std::swap(matrix.rows, matrix.columns);
  return matrix;
}

// Lines in which rows are looked for.
struct Lines {
  std::int64_t lines = 0;
  std::int64_t length = 0;
};

Lines LinesOf(const GraphWeight& weight, std::size_t way) {
  const ValueMatrix& matrix = weight.ways[way];
  if (IsVector(weight)) return {matrix.length(), 1};
  if (weight.ways.size() == 1 || matrix.outer > 1) return {};
  return {matrix.lines(), matrix.length()};
}

// Values of one place in every line.
std::vector<float> Across(const GraphWeight& weight, std::size_t way, std::int64_t place) {
  std::vector<float> values;
  if (IsVector(weight)) {
    weight.ways[0].Read(0, 1, 0, weight.ways[0].length(), values);
  } else {
    const ValueMatrix& other = weight.ways[1 - way];
    other.Read(place, 1, 0, other.length(), values);
  }
  return values;
}

// Where the largest number is, which few others come to by chance.
std::int64_t PlaceOfLargest(const std::vector<float>& values) {
  const auto largest = std::max_element(values.begin(), values.end(),
                                        [](float a, float b) { return std::abs(a) < std::abs(b); });
  return largest - values.begin();
}

bool IsNear(float found, float wanted) {
  return std::abs(double{found} - double{wanted}) <= kSame * std::abs(double{wanted});
}

// One row, then all of them.
bool IsThere(const TensorRows& tensor, const GraphWeight& weight, const TensorPart& part) {
  TensorPart first = part;
  first.rows = 1;
  return ComparePart(tensor, weight, first).Same() && ComparePart(tensor, weight, part).Same();
}

}  // namespace

ValueDifference ComparePart(const TensorRows& tensor, const GraphWeight& weight,
                            const TensorPart& part) {
  const ValueMatrix& matrix = weight.ways[part.way];
  if (IsVector(weight) && tensor.rows == 1 && matrix.length() != tensor.columns) {
    return Compare(AsColumn(tensor), part.row, part.rows, AsColumn(matrix), part.line,
                   part.transform);
  }
  return Compare(tensor, part.row, part.rows, matrix, part.line, part.transform);
}

std::optional<TensorPart> PartOfConstant(const TensorRows& tensor, const GraphWeight& weight,
                                         std::size_t way) {
  const std::int64_t block = tensor.tensor->stored->block;
  // Blocks of codes are not cut into elements.
  if (IsVector(weight) && (tensor.rows != 1 || block > 1)) return std::nullopt;
  const TensorRows own = IsVector(weight) ? AsColumn(tensor) : tensor;
  const Lines lines = LinesOf(weight, way);
  if (lines.length != own.columns || lines.lines <= own.rows) return std::nullopt;
  std::vector<float> row;
  own.Read(0, 1, 0, own.columns, row);
  const std::int64_t place = PlaceOfLargest(row);
  const std::vector<float> across = Across(weight, way, place);
  for (std::int64_t line = 0; line + own.rows <= lines.lines; ++line) {
    if (!IsNear(across[static_cast<std::size_t>(line)], row[static_cast<std::size_t>(place)])) {
      continue;
    }
    const TensorPart part{way, 0, own.rows, line};
    if (IsThere(tensor, weight, part)) return part;
  }
  return std::nullopt;
}

std::optional<TensorPart> PartOfTensor(const TensorRows& tensor, const GraphWeight& weight,
                                       std::size_t way) {
  const Lines lines = LinesOf(weight, way);
  if (IsVector(weight) || lines.length != tensor.columns || lines.lines >= tensor.rows) {
    return std::nullopt;
  }
  std::vector<float> line;
  weight.ways[way].Read(0, 1, 0, tensor.columns, line);
  const std::int64_t place = PlaceOfLargest(line);
  for (std::int64_t row = 0; row + lines.lines <= tensor.rows; ++row) {
    if (!IsNear(tensor.At(row, place), line[static_cast<std::size_t>(place)])) continue;
    const TensorPart part{way, row, lines.lines, 0};
    if (IsThere(tensor, weight, part)) return part;
  }
  return std::nullopt;
}

std::vector<std::int64_t> LinesInOtherOrder(const TensorRows& tensor, const GraphWeight& weight,
                                            std::size_t way) {
  // Of lines that agree in one place more than these are not held against a row.
  constexpr int kMostTried = 16;
  const Lines lines = LinesOf(weight, way);
  if (IsVector(weight) || lines.length != tensor.columns || lines.lines != tensor.rows ||
      lines.length < 2) {
    return {};
  }
  std::vector<float> row;
  tensor.Read(0, 1, 0, tensor.columns, row);
  const std::int64_t place = PlaceOfLargest(row);
  const std::vector<float> across = Across(weight, way, place);
  std::vector<std::int64_t> by_value(across.size());
  std::iota(by_value.begin(), by_value.end(), std::int64_t{0});
  const auto value_of = [&across](std::int64_t line) {
    return across[static_cast<std::size_t>(line)];
  };
  std::sort(by_value.begin(), by_value.end(), [&value_of](std::int64_t a, std::int64_t b) {
    return std::pair(value_of(a), a) < std::pair(value_of(b), b);
  });
  std::vector<bool> taken(across.size(), false);
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < tensor.rows; ++i) {
    const float wanted = tensor.At(i, place);
    const auto least = static_cast<float>(double{wanted} - kSame * std::abs(double{wanted}));
    auto line = std::lower_bound(
        by_value.begin(), by_value.end(), least,
        [&value_of](std::int64_t one, float value) { return value_of(one) < value; });
    std::int64_t found = -1;
    for (int tried = 0; found < 0 && tried < kMostTried && line != by_value.end(); ++line) {
      if (!IsNear(value_of(*line), wanted)) break;
      if (taken[static_cast<std::size_t>(*line)]) continue;
      ++tried;
      if (ComparePart(tensor, weight, {way, i, 1, *line}).Same()) found = *line;
    }
    if (found < 0) return {};
    taken[static_cast<std::size_t>(found)] = true;
    order.push_back(found);
  }
  return order;
}

}  // namespace onnxquant
