// onnxquant's API: decide first (MakePlan), change second (ApplyPlan); Quantize does both.
//
//   auto report = onnxquant::Quantize("onnx/model.onnx", {.policy = "gemma-safe"}, {});
//   if (!report.ok()) std::cerr << report.status().message() << "\n";
#ifndef ONNXQUANT_QUANTIZE_H_
#define ONNXQUANT_QUANTIZE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnxquant/error.h"
#include "onnxquant/export.h"
#include "onnxquant/model_in_memory.h"
#include "onnxquant/report.h"

namespace onnxquant {

// Leaves the policy to ChoosePolicy (choose_policy.h), and its dtypes where none are asked for.
inline constexpr char kAutoPolicy[] = "auto";

// Every member has a default, so that {.policy = "gemma-safe"} compiles without a warning.
struct PlanOptions {
  // A built-in policy's name, a YAML file's path, or kAutoPolicy.
  std::string policy = {};
  std::string policy_yaml = {};          // a policy's text, in place of `policy`; "": none
  std::vector<std::string> rules = {};   // appended to it: "match: {role: norm}, compute: float32"
  std::vector<std::string> dtypes = {};  // which of the policy's outputs; empty: all
  // Where the outputs are to run ("webgpu", "transformers.js@4.3"), in place of the policy's own
  // targets: what one of them cannot run is an error, or decided otherwise, before it is written.
  std::vector<std::string> targets = {};
  // The type of all float inputs and outputs, whatever the policy says of them: "float32",
  // "float16", "bfloat16", or "keep", which leaves each its own. Logits become float32 unless they
  // are kept, or a rule of `rules` names them. "": as the policy says.
  std::string io = {};
  std::string ranges = {};  // JSON of measured ranges; "": none
  // Statistics of what the weights meet (onnxquant calibrate), for methods that read them; "":
  // none.
  std::string calibration = {};
  // Where the outputs go: a folder, or, of one output, a file NAME.onnx that is no folder; "":
  // beside the input.
  std::string output = {};
  std::uint64_t max_shard = 1'900'000'000;  // bytes of one external data file; browsers: below 2 GB
  bool update_config = true;                // keep config.json's transformers.js_config up to date
  // The most that one output may take, as a multiple of the input: tensors that share their data
  // each get their own.
  double max_growth = 8;
  bool list_nodes =
      true;  // Report's rows of nodes; without them, a large model takes half the memory
};

// A text that is made of the finished report and appears with the outputs, or not at all.
struct ReportText {
  std::string path = {};
  std::function<std::string(const Report& report)> text = {};
  std::string option = "another path";  // what to choose another place by; errors name it
};

// How the files are written; the result does not depend on it.
struct ApplyOptions {
  bool force = false;                            // replace existing outputs
  int threads = 0;                               // 0: one per core
  std::uint64_t memory = 128 << 20;              // bytes of working buffers, all threads together
  const std::atomic<bool>* cancelled = nullptr;  // polled; set it to stop: nothing is left behind
  // Called from worker threads, one at a time, with bytes of input weights done and in all.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
  std::vector<ReportText> texts = {};  // as ToJson(report)
  // Called with a sentence for the user while it goes on: it waits for another run that writes to
  // the same folder, or it has settled what an interrupted run had left there.
  std::function<void(const std::string& sentence)> notice = {};
};

// A read model and every decision about it.
class ONNXQUANT_EXPORT Plan {
 public:
  Plan(Plan&&) noexcept;
  Plan& operator=(Plan&&) noexcept;
  ~Plan();

  // The decisions; file sizes are exact.
  const Report& report() const;

 private:
  friend class PlanAccess;
  struct State;
  explicit Plan(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Reads the model's structure and the policy; of its weights only what a rule asks for (a bound of
// the residual stream), samples, and what has equal ones. Writes nothing. Errors: kModel, kPolicy
// (an output that a target cannot run, too), kUsage (an unknown dtype or target, a directory that
// cannot be one, ranges or statistics that cannot be read or are of another model).
ONNXQUANT_EXPORT absl::StatusOr<Plan> MakePlan(const std::string& model_path,
                                               const PlanOptions& options);
// The same for a model that the caller holds.
ONNXQUANT_EXPORT absl::StatusOr<Plan> MakePlan(const ModelInMemory& model,
                                               const PlanOptions& options);

// Writes the planned files, config.json and the texts: all or none, even if the process is killed
// on the way (see recover.h). Runs that write to the same folder wait for each other. The weights
// are read once, whatever the number of outputs; the same plan gives the same bytes for any number
// of threads. Errors: kWrite, kModel (damaged weights; a value that does not fit the type, where
// the policy does not say what then), kCancelled.
ONNXQUANT_EXPORT absl::StatusOr<Report> ApplyPlan(const Plan& plan, const ApplyOptions& options);

// MakePlan, then ApplyPlan.
ONNXQUANT_EXPORT absl::StatusOr<Report> Quantize(const std::string& model_path,
                                                 const PlanOptions& plan_options,
                                                 const ApplyOptions& apply_options);

}  // namespace onnxquant

#endif  // ONNXQUANT_QUANTIZE_H_
