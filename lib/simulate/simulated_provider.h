// The simulation as a provider beside those of the runtime.
#ifndef ONNXQUANT_LIB_SIMULATE_SIMULATED_PROVIDER_H_
#define ONNXQUANT_LIB_SIMULATE_SIMULATED_PROVIDER_H_

#include "lib/runtime/runner.h"

namespace onnxquant {

inline constexpr char kSimulatedProvider[] = "simulated";

// A factory that answers provider "simulated" by running SimulateHalf's model on `factory`'s CPU
// provider without optimization, and hands everything else to `factory`.
RunnerFactory WithSimulatedProvider(RunnerFactory factory);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SIMULATE_SIMULATED_PROVIDER_H_
