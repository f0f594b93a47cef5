// Reads any bytes as an array and as an archive of arrays.
#include <string>

#include "fuzz/require.h"
#include "lib/numpy/npz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  constexpr std::uint64_t kMost = 1 << 20;
  const absl::string_view file(reinterpret_cast<const char*>(data), size);
  const auto array = onnxquant::ParseNpy("x.npy", file);
  RequireToldWell(array.status());
  const auto arrays = onnxquant::ParseNpz("x.npz", file, kMost);
  RequireToldWell(arrays.status());
  if (arrays.ok()) {
    Require(!arrays->empty(), "some arrays");
    std::uint64_t bytes = 0;
    for (const auto& one : *arrays) bytes += one.array.payload().size();
    Require(bytes <= kMost, "no more bytes than were allowed");
  }
  return 0;
}
