// Pseudo-random numbers that are the same on every machine and standard library.
#ifndef ONNXQUANT_LIB_RUNTIME_RANDOM_H_
#define ONNXQUANT_LIB_RUNTIME_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>

namespace onnxquant {

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), started
// from a seed and a name (FNV-1a). The standard's distributions differ between libraries.
class Random {
 public:
  Random(std::uint64_t seed, const std::string& name) : state_(seed) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char letter : name) {
      hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
    }
    state_ += hash;
  }

  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  std::uint64_t Below(std::uint64_t limit) { return Next() % limit; }

  // In [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  // Mean 0, variance 1 (Box and Muller 1958).
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }

 private:
  std::uint64_t state_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_RANDOM_H_
