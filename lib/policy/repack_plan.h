// What becomes of a weight that the source has in codes.
#ifndef ONNXQUANT_LIB_POLICY_REPACK_PLAN_H_
#define ONNXQUANT_LIB_POLICY_REPACK_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/formats/format.h"
#include "lib/policy/settings.h"

namespace onnxquant {

// The same codes as other operators read them, or (no `stored.form`) why they stay as they are.
struct RepackPlan {
  std::size_t weight = 0;  // an index into Analysis::coded_weights
  Stored stored;
  std::vector<const Format*> readers;  // by CodedWeight::readers, the form whose nodes read it
  std::vector<std::string> names;      // of the form's tensors
  std::uint64_t bytes = 0;             // of these; where the codes stay, of the codes
  std::string left;
  Reasons why;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_REPACK_PLAN_H_
