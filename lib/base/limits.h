// Bounds on what is read, so that no input takes more time or memory than its size warrants: each
// is far beyond what real files hold, and what passes one is refused by name and place.
// docs/limits.md lists them all, a row per constant, which a test compares.
#ifndef ONNXQUANT_LIB_BASE_LIMITS_H_
#define ONNXQUANT_LIB_BASE_LIMITS_H_

#include <cstdint>

namespace onnxquant::limits {

// Bytes of a policy, and of all the texts that --set adds to it.
inline constexpr std::int64_t kPolicyBytes = 1 << 20;

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

}  // namespace onnxquant::limits

#endif  // ONNXQUANT_LIB_BASE_LIMITS_H_
