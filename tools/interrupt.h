// Ctrl-C and friends: the end at once, or a flag that long work polls.
#ifndef ONNXQUANT_TOOLS_INTERRUPT_H_
#define ONNXQUANT_TOOLS_INTERRUPT_H_

#include <atomic>

namespace onnxquant::cli {

// From now on SIGINT, SIGTERM and SIGHUP end the process, with the status of an interruption, since
// there is nothing to clean up; while they are held they set the returned flag instead, and a
// second one ends the process.
const std::atomic<bool>* CatchInterrupts();

// Around what leaves something behind when it ends half way, or polls the flag.
void HoldInterrupts();
// Ends the process if it was interrupted meanwhile.
void ReleaseInterrupts();

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_INTERRUPT_H_
