// Reads any file as measured ranges.
#include <cmath>

#include "fuzz/require.h"
#include "fuzz/scratch_folder.h"
#include "lib/policy/evidence.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  const auto ranges = onnxquant::LoadRanges(ScratchFile("ranges.json", data, size));
  RequireToldWell(ranges.status());
  if (!ranges.ok()) return 0;
  for (const auto& [name, peak] : ranges->peaks) Require(std::isfinite(peak), "finite peaks");
  return 0;
}
