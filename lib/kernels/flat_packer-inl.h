// Packs codes that come in pieces which do not end with a byte. Included once per target.
#if defined(ONNXQUANT_LIB_KERNELS_FLAT_PACKER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_KERNELS_FLAT_PACKER_INL_H_
#undef ONNXQUANT_LIB_KERNELS_FLAT_PACKER_INL_H_
#else
#define ONNXQUANT_LIB_KERNELS_FLAT_PACKER_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "lib/kernels/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

template <int kBits>
class FlatPacker {
 public:
  static constexpr std::size_t kPiece = 4096;

  // Codes are written before they are read.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  explicit FlatPacker(std::uint8_t* out) : out_(out) {}

  // Room for a piece, and for a vector more.
  std::uint8_t* Room() { return codes_ + held_; }
  HWY_INLINE void Add(std::size_t count) {
    held_ += count;
    if (held_ >= kPiece) Flush();
  }
  HWY_INLINE void Finish() {
    while (held_ % kPack != 0) codes_[held_++] = 0;
    Flush();
  }

 private:
  static constexpr std::size_t kPack = 8 / kBits;

  HWY_INLINE void Flush() {
    const std::size_t whole = held_ - held_ % kPack;
    PackCodes<kBits>(codes_, whole, out_);
    out_ += whole / kPack;
    std::copy_n(codes_ + whole, held_ - whole, codes_);
    held_ -= whole;
  }

  std::uint8_t* out_;
  std::size_t held_ = 0;
  alignas(64) std::uint8_t codes_[2 * kPiece + 64];
};

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
