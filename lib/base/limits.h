// Bounds on what is read, so that no input takes more time or memory than its size warrants: each
// is far beyond what real files hold, and what passes one is refused by name and place.
// docs/limits.md lists them all, a row per constant, which a test compares.
#ifndef ONNXQUANT_LIB_BASE_LIMITS_H_
#define ONNXQUANT_LIB_BASE_LIMITS_H_

#include <cstdint>

namespace onnxquant::limits {

// Bytes of a policy, and of all the texts that --set adds to it.
inline constexpr std::int64_t kPolicyBytes = 1 << 20;

// Bytes of the record of a set of files that is being put in place: some 100 a file.
inline constexpr std::int64_t kJournalBytes = 16 << 20;

}  // namespace onnxquant::limits

#endif  // ONNXQUANT_LIB_BASE_LIMITS_H_
