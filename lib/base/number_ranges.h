// Numbers as people write several of them.
#ifndef ONNXQUANT_LIB_BASE_NUMBER_RANGES_H_
#define ONNXQUANT_LIB_BASE_NUMBER_RANGES_H_

#include <set>
#include <string>

namespace onnxquant {

// "0-3, 5": neighbours as a range, the rest one by one.
std::string NumberRanges(const std::set<int>& numbers);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_NUMBER_RANGES_H_
