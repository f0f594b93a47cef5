// Random changes of any protobuf message that leave it one.
#ifndef ONNXQUANT_FUZZ_MUTATE_MESSAGE_H_
#define ONNXQUANT_FUZZ_MUTATE_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace onnxquant::fuzz {

using Random = std::minstd_rand;

// 0 … bound - 1; 0 for a bound of 0.
std::size_t Below(Random& random, std::size_t bound);

template <typename T>
const T& OneOf(Random& random, const std::vector<T>& all) {
  return all[Below(random, all.size())];
}

// Every message in `root`, itself first, as far as `most` of them.
std::vector<google::protobuf::Message*> MessagesIn(google::protobuf::Message& root,
                                                   std::size_t most = 2000);

// One change of one message in `root`: a field is set, cleared, added to, or taken from, two
// elements change places, or a message becomes a copy of another of its kind, from `root` or from
// `donor` (which may be null). Texts are taken from `words`.
void MutateMessage(google::protobuf::Message& root, const google::protobuf::Message* donor,
                   const std::vector<std::string>& words, Random& random);

}  // namespace onnxquant::fuzz

#endif  // ONNXQUANT_FUZZ_MUTATE_MESSAGE_H_
