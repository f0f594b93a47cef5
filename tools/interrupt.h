// Ctrl-C and friends, as a flag that long work polls.
#ifndef ONNXQUANT_TOOLS_INTERRUPT_H_
#define ONNXQUANT_TOOLS_INTERRUPT_H_

#include <atomic>

namespace onnxquant::cli {

// From now on SIGINT, SIGTERM and SIGHUP set the returned flag; a second one ends the process.
const std::atomic<bool>* CatchInterrupts();

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_INTERRUPT_H_
