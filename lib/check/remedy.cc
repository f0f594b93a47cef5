// Which conversion mends a model.
#include <algorithm>
#include <cctype>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/check/checkers.h"
#include "lib/policy/dtypes.h"
#include "lib/policy/families.h"

namespace onnxquant {
namespace {

// Keeps all types but those of residual sums, norms and hazards, which become float32.
constexpr char kAnyModel[] = "repair";
// Says the same of Gemma 2 and 3 in the files that Transformers.js asks for.
constexpr char kGemma[] = "gemma-web";

bool HasBlocks(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [](const Node& node) { return node.proto->op_type() == "MatMulNBits"; });
}

bool HasBFloat16(const Analysis& analysis) {
  return std::find(analysis.types.begin(), analysis.types.end(), ElementType::kBFloat16) !=
         analysis.types.end();
}

// As the file's name says, else as what it holds.
std::string DtypeOf(const CheckContext& context) {
  const FileStem stem = SplitStem(std::filesystem::path(context.model.path()).stem().string());
  for (const char* dtype : {"fp16", "q4f16"}) {
    if (stem.dtype == dtype) return dtype;
  }
  if (HasBFloat16(*context.analysis)) return "bf16";
  return HasBlocks(context.graph()) ? "q4f16" : "fp16";
}

// For a POSIX shell.
std::string Quoted(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c >= 0x80 ||
           std::string("_-./+=:,@").find(static_cast<char>(c)) != std::string::npos;
  });
  return plain ? text : absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

}  // namespace

Remedy RemedyFor(const CheckContext& context, bool limits_constants) {
  Remedy remedy;
  remedy.dtype = DtypeOf(context);
  const bool gemma = IsGemma(*context.analysis) && remedy.dtype != "bf16" && !limits_constants;
  remedy.policy = gemma ? kGemma : kAnyModel;
  const std::filesystem::path path(context.model.path());
  const std::string folder = (path.parent_path() / "fixed").string();
  remedy.command = absl::StrCat("onnxquant --policy ", remedy.policy, " --dtype ", remedy.dtype,
                                " -o ", Quoted(folder), " ", Quoted(path.string()));
  return remedy;
}

}  // namespace onnxquant
