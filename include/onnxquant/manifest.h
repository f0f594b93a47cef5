// Conversion in parts, by any number of machines that share a file system: a plan saved as a
// manifest, parts of it applied in any order and at the same time, and all put in place at the end.
//
//   onnxquant::SaveManifest(*plan, "plan.json", {});
//   onnxquant::ApplyPart("plan.json", {.number = 3, .of = 8}, {});   // on eight machines
//   onnxquant::FinishManifest("plan.json", {});
//
// The files are those of ApplyPlan, byte for byte. docs/formats.md describes manifest and records.
#ifndef ONNXQUANT_MANIFEST_H_
#define ONNXQUANT_MANIFEST_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "onnxquant/export.h"
#include "onnxquant/quantize.h"

namespace onnxquant {

// How a manifest is saved.
struct SaveOptions {
  bool force = false;                            // replace a file
  const std::atomic<bool>* cancelled = nullptr;  // as of ApplyOptions
  std::function<void(const std::string& sentence)> notice = {};
};

// Writes the plan as JSON: the policy's text, fingerprints of the inputs, and the layout, which is
// every data file with its tensors. Paths that were given relative are written relative to the
// manifest's folder. Errors: kUsage (the model is no file), kWrite.
ONNXQUANT_EXPORT absl::Status SaveManifest(const Plan& plan, const std::string& path,
                                           const SaveOptions& options);

// The data files of a manifest are shared out to `of` parts; this is one of them, from 1 on. With
// more parts than files some have nothing to do.
struct Part {
  int number = 1;
  int of = 1;
};

// How parts are applied.
struct PartOptions {
  ApplyOptions apply = {};  // its `texts` are for FinishManifest
  bool verify = false;      // read what is done already, and compare its SHA-256 with its record
};

// One data file of a part.
struct PartFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::string sha256;
  bool was_done = false;  // before: nothing was written
};

// What a part did.
struct PartReport {
  std::vector<PartFile> files;
  std::string staging;           // the folder that holds them until all are done
  std::uint64_t bytes_read = 0;  // of the input's weights
  double seconds = 0;
};

// Makes the part's data files in the manifest's staging folder, each with a record beside it, and
// skips those that are done. It reads the model's structure and those weights that become its
// files. Parts need no locks and know nothing of each other: they may run at once, twice, or be
// killed. Errors: kUsage (no manifest, a part out of range, a manifest that says something else
// than its policy makes of its model, files of another manifest), kModel (the model is not the one
// that was planned, or damaged), kPolicy, kWrite, kCancelled.
ONNXQUANT_EXPORT absl::StatusOr<PartReport> ApplyPart(const std::string& manifest, Part part,
                                                      const PartOptions& options);

// Checks that all data files are done, makes the .onnx files, and puts all in place with
// config.json and the texts, as ApplyPlan does: all or nothing. The staging folder goes. Errors as
// of ApplyPart, and kVerify: files are missing or damaged; the message lists them by part.
ONNXQUANT_EXPORT absl::StatusOr<Report> FinishManifest(const std::string& manifest,
                                                       const PartOptions& options);

// All parts, as far as they are not done, and the end.
ONNXQUANT_EXPORT absl::StatusOr<Report> ApplyManifest(const std::string& manifest,
                                                      const PartOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_MANIFEST_H_
