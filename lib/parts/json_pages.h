// JSON that people read: what is short stands on one line.
#ifndef ONNXQUANT_LIB_PARTS_JSON_PAGES_H_
#define ONNXQUANT_LIB_PARTS_JSON_PAGES_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace onnxquant {

// Lists and objects of scalars that fit a line stand on one; all others have a line for each of
// their members. Text that is no UTF-8 is shown with replacement characters.
std::string ToPage(const nlohmann::ordered_json& json);

// Where two texts first say something else, in the order of the first one's keys:
// "outputs[0].file", and what stands there; "nothing" for what is missing.
struct Difference {
  std::string place;
  std::string found;
  std::string expected;
};
std::optional<Difference> FirstDifference(const nlohmann::json& found,
                                          const nlohmann::json& expected);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_JSON_PAGES_H_
