// Bounds on what is read, so that no input takes more time or memory than its size warrants: each
// is far beyond what real files hold, and what passes one is refused by name and place.
// docs/limits.md lists them all, a row per constant, which a test compares.
#ifndef ONNXQUANT_LIB_BASE_LIMITS_H_
#define ONNXQUANT_LIB_BASE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace onnxquant::limits {

// Bytes of a policy, and of all the texts that --set adds to it.
inline constexpr std::int64_t kPolicyBytes = 1 << 20;
// Scalars, lists and mappings of a policy, each alias counted as what it stands for.
inline constexpr std::int64_t kPolicyNodes = 1 << 18;
// Lists and mappings within each other in a policy.
inline constexpr int kPolicyDepth = 16;
// Rules of a policy, those of --set among them.
inline constexpr std::int64_t kPolicyRules = 1 << 14;
// Regular expressions of a policy.
inline constexpr std::int64_t kPolicyRegexes = 1 << 10;
// Bytes of one regular expression.
inline constexpr std::int64_t kRegexBytes = 1 << 12;
// Bytes that one regular expression may take when compiled and while it searches.
inline constexpr std::int64_t kRegexMemory = 1 << 20;

// Bytes of config.json and generation_config.json.
inline constexpr std::int64_t kConfigBytes = 16 << 20;
// Bytes of a file of measured ranges.
inline constexpr std::int64_t kRangesBytes = 64 << 20;
// Values (scalars, lists, objects) of one JSON text.
inline constexpr std::int64_t kJsonValues = 1 << 22;
// Lists and objects within each other in a JSON text.
inline constexpr int kJsonDepth = 64;

// Bytes of a file of token ids.
inline constexpr std::int64_t kTokenBytes = 256 << 20;
// Sequences of a file of token ids: lines of .jsonl, rows of .npy.
inline constexpr std::int64_t kTokenSequences = 1 << 20;
// Bytes of a NumPy file's header.
inline constexpr std::int64_t kNumpyHeader = 1 << 16;
// Dimensions of a NumPy array, which is NumPy's own bound.
inline constexpr std::size_t kNumpyRank = 64;
// Bytes of all arrays that a model is run on, unpacked.
inline constexpr std::int64_t kInputBytes = std::int64_t{2} << 30;
// Arrays of one .npz file.
inline constexpr std::uint64_t kZipEntries = 1 << 12;

// Bytes of the header of a file of calibration statistics: some 200 a value.
inline constexpr std::int64_t kCalibrationHeader = 16 << 20;
// Bytes of a file of measured costs: some 300 a cost.
inline constexpr std::int64_t kCostBytes = 64 << 20;

// Messages of a model's file in one another, which is protobuf's own limit: a body takes three.
inline constexpr int kNestedMessages = 100;
// Bodies in one another once functions are inlined, so that what is written can be read.
inline constexpr int kNestedBodies = 30;
// Bytes of memory that a model's structure takes when it is parsed, payloads aside.
inline constexpr std::uint64_t kParsedBytes = std::uint64_t{4} << 30;
// Bytes of an output that may be any multiple of its input.
inline constexpr std::uint64_t kSmallOutput = 16 << 20;
// Calls of local functions: one within the other, nodes that all come to, and bytes that they add.
inline constexpr int kCallDepth = 64;
inline constexpr std::uint64_t kInlinedNodes = 1 << 20;
inline constexpr std::uint64_t kInlinedBytes = 1 << 28;

// Dimensions of a tensor whose shape is computed, beyond which its type is not inferred.
inline constexpr std::int64_t kRank = 1024;

// Bytes of the manifest of a plan: some 150 a tensor. Beside each data file of it stands a record.
inline constexpr std::int64_t kManifestBytes = 512 << 20;
inline constexpr std::int64_t kRecordBytes = 64 << 20;

// Bytes of the record of a set of files that is being put in place: some 100 a file.
inline constexpr std::int64_t kJournalBytes = 16 << 20;
// Such records, and what leads to them, in one folder.
inline constexpr std::int64_t kJournals = 64;

}  // namespace onnxquant::limits

#endif  // ONNXQUANT_LIB_BASE_LIMITS_H_
