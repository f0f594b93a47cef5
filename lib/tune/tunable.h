// The weights whose format can be chosen, and what each format would come to.
#ifndef ONNXQUANT_LIB_TUNE_TUNABLE_H_
#define ONNXQUANT_LIB_TUNE_TUNABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/model/model.h"
#include "lib/policy/evidence.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

// A format that weights may get, as a rule sets it: `weights`, and with it `method` and
// `accuracy_level`.
struct Candidate {
  Settings set;
  std::string words;  // "int4 block 32 asymmetric, gptq"
};

// One candidate for one weight.
struct TunableOption {
  std::size_t candidate = 0;
  std::uint64_t bytes = 0;  // of all that is stored of the weight
  FillJob job;              // how that is made
};

// All readers of one initializer, which share their codes where they can.
struct Tunable {
  std::string name;  // of the initializer
  std::string role;  // of the node that reads it first, as policies say it; "" for none
  int layer = -1;
  const onnx::TensorProto* tensor = nullptr;
  std::vector<std::string> outputs;  // of its readers
  std::string statistic;             // the value whose moments a calibration has for it; "": none
  std::vector<TunableOption> options;
  int base = -1;  // the option that the policy gives it; -1: another format
};

// One output of a policy, decided.
struct DecidedOutput {
  OutputPlan plan;
  Rewritten rewritten;      // without its model
  std::uint64_t bytes = 0;  // of all its files
};

// What all stages of tuning look at. It outlives what they give.
struct TuneSubject {
  const Model& model;
  const Analysis& analysis;
  const Evidence& evidence;
  std::string dtype;
};

// The output `subject.dtype` of the policy, under the name that it gets beside the model. Errors:
// those of a conversion.
absl::StatusOr<DecidedOutput> Decide(const TuneSubject& subject, const Policy& policy);

// Initializers of the main graph that the policy, decided as `base`, stores in blocks of codes,
// each with all candidates that its readers can take; those that can take but one are left out.
// Errors (kPolicy): there are none.
absl::StatusOr<std::vector<Tunable>> FindTunables(const TuneSubject& subject, const Policy& policy,
                                                  const DecidedOutput& base,
                                                  absl::Span<const Candidate> candidates);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_TUNABLE_H_
