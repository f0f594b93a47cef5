// Rows of a table that are alike in all layers of a model, as one.
#ifndef ONNXQUANT_LIB_REPORT_FOLD_H_
#define ONNXQUANT_LIB_REPORT_FOLD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace onnxquant {

struct LayerRow {
  std::string name;
  int layer = -1;                  // of none
  std::vector<std::string> cells;  // what rows must have in common to be one
  std::uint64_t bytes = 0;
};

struct FoldedRow {
  std::string name;    // "layers.*.q_proj.weight", which is a glob, or "w_12 and 17 more"
  std::string layers;  // "0-17", "0, 5-7", "3", "" outside layers
  std::vector<std::string> cells;
  std::uint64_t bytes = 0;  // of all
  std::size_t rows = 0;
};

// Rows of several layers are one where their cells are equal and their names differ in the number
// of the layer alone, or, where they do not hold it, in other numbers alone. Each stands where the
// first of its rows stood.
std::vector<FoldedRow> FoldLayers(const std::vector<LayerRow>& rows);

// Each row by itself.
std::vector<FoldedRow> Unfolded(const std::vector<LayerRow>& rows);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REPORT_FOLD_H_
