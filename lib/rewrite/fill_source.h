// One constant of the input on its way to all outputs that store it: read in tiles, scaled, and
// handed to the codec of each stored form.
#ifndef ONNXQUANT_LIB_REWRITE_FILL_SOURCE_H_
#define ONNXQUANT_LIB_REWRITE_FILL_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/rewrite/materialize.h"
#include "lib/rewrite/tile_reader.h"

namespace onnxquant {

class FillSource {
 public:
  FillSource(const Model& model, const onnx::TensorProto& tensor);

  // False, and nothing is done, where the job's codec sees the constant as another matrix than
  // those before it do.
  bool AddTarget(const FillJob& job, const OutputToFill& output, methods::FactorSource* factors);

  // Cuts the constant into tiles of about `tile_bytes`. Call after the last AddTarget.
  absl::Status CutInto(std::uint64_t tile_bytes);
  std::size_t tiles() const { return reader_.tiles(); }
  std::uint64_t bytes() const { return reader_.bytes(); }

  // Whether some codec must see every tile before the first is written.
  bool Observes() const;
  absl::Status Observe(std::size_t tile);

  // Converts one tile for every target; the last one to finish ends what spans tiles. Thread-safe.
  // Returns the number of input bytes done.
  absl::StatusOr<std::uint64_t> Fill(std::size_t tile);

  // After the last tile: tells each output which values did not fit its type.
  void AddWarnings() const;

 private:
  // One stored form in one output.
  struct Target {
    int exponent = 0;  // the numbers are multiplied by 2^this
    std::unique_ptr<NarrowAccount> account;
    bool codes = false;
    std::unique_ptr<Codec> codec;
    std::vector<std::string>* warnings = nullptr;
  };

  static absl::Status CheckFinite(const Target& target, absl::Span<const float> numbers);

  template <typename Act>
  absl::Status ForEachCodec(const Tile& tile, bool counts, const Act& act);

  const onnx::TensorProto& tensor_;
  TileReader reader_;
  std::vector<Target> targets_;
  Cut seen_as_;  // of the targets that want rows and columns
  std::mutex mutex_;
  std::size_t unfinished_ = 0;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_FILL_SOURCE_H_
