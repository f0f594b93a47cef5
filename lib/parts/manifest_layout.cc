#include "lib/parts/manifest_layout.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"

namespace onnxquant {
namespace {

using Ordered = nlohmann::ordered_json;

// How a job makes its tensors, in words.
std::string MethodOf(const FillJob& job) {
  std::string text;
  if (job.repack) {
    text = "codes of the source, in other places";
  } else if (job.stored.form != nullptr) {
    text = ToString(job.stored.format);
    if (job.choice.method != methods::Method::kNearest) {
      absl::StrAppend(&text, ", ", methods::RowOf(job.choice.method).word);
    }
  } else {
    text = NameOf(job.type);
  }
  if (job.exponent != 0) absl::StrAppend(&text, ", times 2^", job.exponent);
  if (job.limit != 0) absl::StrAppend(&text, ", within ±", job.limit);
  return text;
}

// By initializer: the job that fills it; null for none.
std::vector<const FillJob*> JobsByTarget(const PlannedOutput& output) {
  std::vector<const FillJob*> jobs(output.layout.items.size(), nullptr);
  for (const FillJob& job : output.rewritten.jobs) {
    for (const int target : job.targets) {
      if (target >= 0) jobs[static_cast<std::size_t>(target)] = &job;
    }
  }
  return jobs;
}

absl::StatusOr<Ordered> RowsOf(const PlannedOutput& output) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> names, InitializerNames(output));
  Ordered files = Ordered::array();
  for (std::size_t shard = 0; shard < output.layout.shard_bytes.size(); ++shard) {
    files.push_back({{"file", ShardFileName(output.file_name, static_cast<int>(shard))},
                     {"bytes", output.layout.shard_bytes[shard]},
                     {"tensors", Ordered::array()}});
  }
  const std::vector<const FillJob*> jobs = JobsByTarget(output);
  for (std::size_t i = 0; i < output.layout.items.size(); ++i) {
    const Placement& place = output.layout.items[i];
    const int same_as = output.rewritten.same_as.empty() ? -1 : output.rewritten.same_as[i];
    if (!place.external() || same_as >= 0) continue;
    Ordered row{{"name", names[i]}, {"offset", place.offset}, {"bytes", place.bytes}};
    if (jobs[i] != nullptr) {
      row["from"] = jobs[i]->source->name();
      row["as"] = MethodOf(*jobs[i]);
    }
    files[static_cast<std::size_t>(place.shard)]["tensors"].push_back(std::move(row));
  }
  return files;
}

}  // namespace

absl::StatusOr<Ordered> LayoutRows(const PlanAccess::State& state) {
  Ordered rows = Ordered::array();
  for (std::size_t i = 0; i < state.outputs.size(); ++i) {
    const PlannedOutput& output = state.outputs[i];
    Sha256 hash;
    hash.Add(AsBytes(output.model));
    ONNXQUANT_ASSIGN_OR_RETURN(Ordered data, RowsOf(output));
    rows.push_back({{"dtype", state.report.outputs[i].dtype},
                    {"file", output.file_name},
                    {"bytes", output.model.size()},
                    {"sha256_before_filling", hash.Hex()},
                    {"data", std::move(data)}});
  }
  return rows;
}

}  // namespace onnxquant
