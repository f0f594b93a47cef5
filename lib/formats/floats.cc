#include "lib/formats/floats.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/base/as_bytes.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

class CopyCodec : public Codec {
 public:
  explicit CopyCodec(const CodecContext& context) : sink_(context.sink) {}
  bool Copies() const override { return true; }
  absl::Status Write(const Tile& tile) override {
    return WriteElements(sink_, tiling(), tile, tiling().element_bytes, tile.bytes);
  }

 private:
  PartSink sink_;
};

class FloatCodec : public Codec {
 public:
  FloatCodec(ElementType type, const CodecContext& context) : type_(type), context_(context) {}

  absl::Status Write(const Tile& tile) override {
    if (type_ == ElementType::kDouble) {
      const std::vector<double> doubles(tile.floats.begin(), tile.floats.end());
      return WriteElements(context_.sink, tiling(), tile, sizeof(double), AsBytes(doubles));
    }
    if (type_ == ElementType::kFloat) {
      std::vector<float> floats(tile.floats.begin(), tile.floats.end());
      ONNXQUANT_RETURN_IF_ERROR(
          context_.account->Add(Limit(absl::MakeSpan(floats), context_.account->limit())));
      return WriteElements(context_.sink, tiling(), tile, sizeof(float), AsBytes(floats));
    }
    std::vector<std::uint16_t> halves(tile.floats.size());
    ONNXQUANT_RETURN_IF_ERROR(
        context_.account->Add(Narrow(tile.floats, type_, context_.account->overflow(),
                                     absl::MakeSpan(halves), context_.account->limit())));
    return WriteElements(context_.sink, tiling(), tile, sizeof(std::uint16_t), AsBytes(halves));
  }

 private:
  ElementType type_;
  CodecContext context_;
};

}  // namespace

std::unique_ptr<Codec> MakeCopyCodec(const CodecContext& context) {
  return std::make_unique<CopyCodec>(context);
}

std::unique_ptr<Codec> MakeFloatCodec(ElementType type, const CodecContext& context) {
  return std::make_unique<FloatCodec>(type, context);
}

}  // namespace onnxquant
