// A model by itself: whether it loads, gives numbers, and writes more than one token for ever.
#ifndef ONNXQUANT_LIB_VERIFY_ALONE_H_
#define ONNXQUANT_LIB_VERIFY_ALONE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"

namespace onnxquant {

struct AloneOptions {
  std::string model;
  std::vector<std::string> providers = {"cpu"};
  // A file, "self", or "": inputs.files, else BuiltInPrompt() for a model that takes tokens.
  // Made-up inputs go into the others, with padded rows too where they have a mask.
  std::string tokens;
  std::size_t count = 0;    // tokens to read; 0: all of a file, 256 of the model's own text
  std::size_t greedy = 16;  // tokens to continue the text by; 0: none
  InputOptions inputs;
  RunnerOptions runner;  // the provider in it is not used
  RunnerFactory factory;
  bool trace = true;  // look for the first value with NaN or Inf where there are some
  std::function<bool()> cancelled;
  std::function<void(std::size_t done, std::size_t total)> progress;  // providers
};

// On one provider.
struct AloneResult {
  std::string provider;
  std::string error;      // what the runtime says where it does not load or run it
  std::uint64_t nan = 0;  // in logits, or in all float outputs of a model without
  std::uint64_t inf = 0;  // +Inf; -Inf is how heads mask tokens, and no fault
  std::string first_bad;  // the value where NaN or Inf begins, in words
  // The end of the text is one token, 8 times or more, and no NaN among the logits chose it. Small
  // models that are sane do so, too; it is a failure where the model has written nothing else.
  bool repeats_one_token = false;
  std::int64_t token = -1;         // that one
  std::vector<std::int64_t> text;  // what it wrote greedily; nothing for models without logits
  std::vector<std::string> failures;
  bool passed() const { return failures.empty(); }
};

// A start token and five words: "The capital of France is" in the vocabulary of Gemma 3; in another
// they are some tokens, each id modulo its size. `start`: -1 for 2, which is Gemma's. Where the
// vocabulary is not known (-1), ids stay below 256.
std::vector<std::int64_t> BuiltInPrompt(std::int64_t start, std::int64_t vocabulary);

// In the order of the providers. A model that does not load or run on one is a result. Errors:
// kUsage for tokens, runtimes and providers that are not there; kModel for a file that cannot be
// read.
absl::StatusOr<std::vector<AloneResult>> RunAlone(const AloneOptions& options);

// A list, UTF-8, indented, keys in a fixed order.
std::string ToJson(absl::Span<const AloneResult> results);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_VERIFY_ALONE_H_
