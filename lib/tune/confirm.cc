#include "lib/tune/confirm.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/files/temporary_folder.h"
#include "lib/verify/verify.h"

namespace onnxquant {
namespace {

constexpr std::size_t kTokens = 256;

}  // namespace

absl::StatusOr<double> Confirm(const TuneOptions& options, const Tuning& tuning) {
  ONNXQUANT_ASSIGN_OR_RETURN(const TemporaryFolder folder,
                             TemporaryFolder::Create("give --no-confirm"));
  PlanOptions plan = options.plan;
  plan.policy = "the tuned policy";
  plan.policy_yaml = tuning.policy;
  plan.rules.clear();  // they stand in it
  plan.dtypes = {tuning.dtype};
  plan.output = (std::filesystem::path(folder.path()) / "tuned.onnx").string();
  plan.update_config = false;
  plan.list_nodes = false;
  ApplyOptions apply;
  apply.threads = options.threads;
  apply.memory = options.memory;
  apply.cancelled = options.cancelled;
  ONNXQUANT_RETURN_IF_ERROR(Quantize(options.model, plan, apply).status());
  VerifyOptions verify;
  verify.reference = options.model;
  verify.candidates = {plan.output};
  verify.tokens = kSelf;
  verify.count = tuning.longest > 0 ? std::min(kTokens, tuning.longest) : kTokens;
  verify.greedy = 0;
  verify.inputs = options.inputs;
  verify.inputs.seed = options.inputs.seed + 1;
  verify.runner = options.runner;
  verify.factory = options.factory;
  verify.trace = false;
  verify.cancelled = [flag = options.cancelled] { return flag != nullptr && *flag; };
  ONNXQUANT_ASSIGN_OR_RETURN(const Verification verification, Verify(verify));
  const CandidateResult& result = verification.results.front();
  if (!result.language.has_value()) {
    return MakeError(ErrorKind::kVerify,
                     absl::StrCat("the tuned output does not run: ", result.error));
  }
  return result.language->kl_mean;
}

}  // namespace onnxquant
